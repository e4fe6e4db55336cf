package actionslock

import (
	"strings"
	"testing"
)

const good = `version: 'v0.0.2'
workflows:
    '.github/workflows/ci.yml':
        - 'actions/checkout@v5.0.1'
        - 'Acme/Deploy@main'
    '.github/workflows/empty.yml': []
dependencies:
    'Actions/Checkout@v5.0.1':
        ref: 'v5.0.1'
        commit: 'sha1-93cb6efe18208431cddfb8368fd83d5badbf9bfd'
        owner_id: 44036562
        repo_id: 197814629
    'acme/deploy@main':
        ref: 'main'
        commit: 'sha256-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
        owner_id: 1
        repo_id: 2
        uses: ['actions/checkout@v5.0.1']
`

func TestParse(t *testing.T) {
	l, problems := Parse([]byte(good))
	if len(problems) > 0 {
		t.Fatalf("problems %v", problems)
	}
	if e := l.Entries["actions/checkout@v5.0.1"]; e.Commit != "93cb6efe18208431cddfb8368fd83d5badbf9bfd" || e.Line != 8 {
		t.Errorf("entry %+v", e)
	}
	if w := l.Workflows[".github/workflows/ci.yml"]; len(w.Pins) != 2 || w.Pins[1].Key != "acme/deploy@main" || w.Pins[1].Line != 5 {
		t.Errorf("workflow %+v", w)
	}
	if _, ok := l.Workflows[".github/workflows/empty.yml"]; !ok {
		t.Error("a workflow without dependencies is covered, too")
	}
	old := "version: v0.0.1\nworkflows: {a.yml: ['o/r@v1:sha1-" + strings.Repeat("a", 40) + "']}\ndependencies:\n  'o/r@v1:sha1-" + strings.Repeat("a", 40) + "': {tag: v1, commit: sha1-" + strings.Repeat("a", 40) + ", owner_id: 1, repo_id: 1}\n"
	if l, problems := Parse([]byte(old)); len(problems) > 0 || l.Entries["o/r@v1"].Ref != "v1" {
		t.Errorf("v0.0.1: %+v, %v", l, problems)
	}
}

func TestProblems(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"version: 'v0.0.2'", "version: 'v9.0.0'", "upgrade fairlead"},
		{"version: 'v0.0.2'", "version: 'two'", "not supported"},
		{"version: 'v0.0.2'\n", "", "no version"},
		{"version:", "extra: 1\nversion:", `unknown key "extra"`},
		{"owner_id: 1", "owner_id: 0", "no owner_id"},
		{"        ref: 'main'\n", "", "no ref"},
		{"ref: 'main'", "ref: 'other'", "locked for ref"},
		{"sha256-0123", "sha256-xyz3", "hex digits"},
		{"uses: ['actions/checkout@v5.0.1']", "uses: ['acme/deploy@main']", "uses itself"},
		{"uses:", "oses:", `unknown key "oses"`},
		{"'.github/workflows/empty.yml'", "'../empty.yml'", "no path of the repository"},
		{"- 'Acme/Deploy@main'", "- 'acme/other@v1'", "no entry under dependencies"},
		{"- 'Acme/Deploy@main'", "- 'acme'", "no OWNER/REPO@REF"},
		{"'acme/deploy@main':", "'ACTIONS/checkout@v5.0.1':", "different content"},
		{"version: 'v0.0.2'", "version: [", "yaml"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		_, problems := Parse([]byte(text))
		found := false
		for _, p := range problems {
			found = found || strings.Contains(p.Msg, c.want) && p.Line > 0
		}
		if !found {
			t.Errorf("%q: %v, want %q", c.new, problems, c.want)
		}
	}
	if _, problems := Parse(make([]byte, MaxSize+1)); len(problems) != 1 {
		t.Errorf("too large: %v", problems)
	}
}

func TestKey(t *testing.T) {
	for in, want := range map[string]string{"actions/cache/save@v4": "actions/cache@v4", "Actions/Cache@V4": "actions/cache@V4", "./x": "", "a@b": ""} {
		if got := Key(in); got != want {
			t.Errorf("Key(%q) = %q", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("version: v0.0.1\nworkflows: {}\ndependencies: {}\n"))
	f.Fuzz(func(_ *testing.T, data []byte) { Parse(data) })
}
