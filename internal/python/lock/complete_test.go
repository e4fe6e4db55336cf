package lock

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

type declared map[string][]string

func (d declared) Requires(name, version string) ([]requirement.Requirement, bool) {
	list, ok := d[name+"=="+version]
	var out []requirement.Requirement
	for _, s := range list {
		r, err := requirement.Parse(s)
		if err != nil {
			panic(err)
		}
		out = append(out, r)
	}
	return out, ok
}

func TestIncomplete(t *testing.T) {
	h := " --hash=sha256:" + strings.Repeat("a", 64) + "\n"
	l, err := Read(fstest.MapFS{"r.txt": {Data: []byte("web[fast]==1" + h + "core==2.5" + h + "odd==1" + h)}}, "r.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	gaps, unknown, err := l.Incomplete(Target{Env: linux("3.12.1")}, declared{
		"web==1":    {"Core[tls]>=2", "loop>=1; extra == 'fast'", "slow; extra == 'slow'", "old; python_version < '3.11'", "core<2; sys_platform == 'linux'"},
		"core==2.5": {"ssl-things; extra == 'tls'", "web"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range gaps {
		got = append(got, g.Package.Name+" needs "+g.Needs.String()+" has "+g.Have)
	}
	want := "core needs ssl-things; extra == \"tls\" has \n" +
		"web needs loop>=1; extra == \"fast\" has \n" +
		"web needs core<2; sys_platform == \"linux\" has 2.5"
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	if len(unknown) != 1 || unknown[0].Name != "odd" {
		t.Errorf("unknown %v", unknown)
	}
}

func TestBuilds(t *testing.T) {
	for name, want := range map[string]map[string]Build{
		"uv/uv.lock":                    {"click": BuildsMaybe, "shop": BuildsAlways},
		"pipenv/Pipfile.lock":           {"click": BuildsUnknown},
		"requirements/requirements.txt": {"click": BuildsUnknown},
	} {
		l, err := Read(os.DirFS("testdata"), name, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range l.Packages {
			if w, ok := want[p.Name]; ok && p.Builds() != w {
				t.Errorf("%s: %s builds %s, want %s", name, p.Name, p.Builds(), w)
			}
		}
	}
	for file, want := range map[string]Build{"a-1-py3-none-any.whl": BuildsNever, "a-1.tar.gz": BuildsAlways} {
		if b := (Package{Source: Source{Kind: FromIndex}, Files: []File{{Name: file}}}).Builds(); b != want {
			t.Errorf("%s: %s", file, b)
		}
		if b := (Package{Source: Source{Kind: FromURL, URL: "https://h.example/" + file + "#x"}}).Builds(); b != want {
			t.Errorf("%s from a URL: %s", file, b)
		}
	}
}
