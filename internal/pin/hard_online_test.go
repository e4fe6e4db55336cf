package pin_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/pin"
)

// TestHardCasesOnline holds the hard cases that only a source can decide.
func TestHardCasesOnline(t *testing.T) {
	other := strings.Repeat("2", 40)
	fork := strings.Repeat("3", 40)
	res := func() *pin.Resolution {
		return &pin.Resolution{Schema: 1, Actions: map[string]pin.ResolvedRepository{
			"a/b": {Refs: pin.Refs{Default: "main", Branches: map[string]string{"main": other, fork: other}, Tags: map[string]string{"v2.7.0": sha40, "v2": sha40, "v3.5.1": other}},
				Commits: map[string]bool{sha40: true, strings.Repeat("4", 40): false}},
		}}
	}
	pinned := "a/b@" + sha40
	by := "pinned by sha "
	for i, c := range []hard{
		step("50", "a/b@"+fork, l{by + "a/b@" + fork}, l{"error action/misleading-sha a/b@" + fork}),
		step("54", pinned+" # v3.5.1", l{by + pinned}, l{"error action/comment-mismatch " + pinned}),
		step("54", pinned+" # v2.7.0", l{by + pinned}, nil),
		step("54", pinned+" # v2", l{by + pinned}, nil),
		step("54", pinned+" # 2.7.0", l{by + pinned}, nil),
		step("54", pinned+" # tag=v2.7.0", l{by + pinned}, nil),
		step("54", pinned+" # tag=v3.5.1", l{by + pinned}, l{"error action/comment-mismatch " + pinned}),
		step("54", pinned+" # ratchet:a/b@v2", l{by + pinned}, nil),
		step("54", pinned+" # ratchet:a/b@v3.5.1", l{by + pinned}, l{"error action/comment-mismatch " + pinned}),
		step("54", pinned+" # pin@v2", l{by + pinned}, nil),
		step("54", pinned+" # see issue 12", l{by + pinned}, nil),
		wf("54", "jobs: {a: {uses: "+strings.Replace(pinned, "@", "/.github/workflows/x.yml@", 1)+"}} # v3.5.1\n", l{by + strings.Replace(pinned, "@", "/.github/workflows/x.yml@", 1)},
			l{"error action/comment-mismatch " + strings.Replace(pinned, "@", "/.github/workflows/x.yml@", 1)}),
		step("impostor", "a/b@"+strings.Repeat("4", 40), l{by + "a/b@" + strings.Repeat("4", 40)}, l{"error action/impostor a/b@" + strings.Repeat("4", 40)}),
	} {
		t.Run(fmt.Sprintf("%s/%02d", c.n, i), func(t *testing.T) {
			fsys := fstest.MapFS{c.path: {Data: []byte(c.src)}}
			r, err := pin.Check(context.Background(), fsys, pin.Config{Source: res(), Verify: true})
			if err != nil {
				t.Fatal(err)
			}
			subjects, findings := describe(t, fsys, r)
			t.Logf("case %s: %q\n  subjects %q\n  findings %q", c.n, c.src, subjects, findings)
			if !slices.Equal(subjects, c.subjects) || !slices.Equal(findings, c.findings) {
				t.Errorf("got  %q %q\nwant %q %q", subjects, findings, c.subjects, c.findings)
			}
		})
	}
}

// TestLockMoved: each entry of the lock of actions is compared with what its own
// name means today, wherever in the file it stands.
func TestLockMoved(t *testing.T) {
	entry := func(id string) string {
		return "{ref: " + id + ", commit: sha1-" + shaOld + ", owner_id: 1, repo_id: 1}"
	}
	key := func(name string) string { return "acme/tool@" + name }
	const head = "version: v0.0.2\nworkflows:\n  .github/workflows/ci.yml: [acme/tool@v1, acme/tool@v2, acme/tool@main]\n"
	for name, tc := range map[string]struct {
		dependencies string
		want         []string
	}{
		"in blocks": {"dependencies:\n  " + key("main") + ": " + entry("main") + "\n  " + key("v1") + ": " + entry("v1") + "\n  " + key("v2") + ": " + entry("v2") + "\n",
			l{`5 "acme/tool@main" is locked to 111111111111 and names 222222222222 today`, `7 "acme/tool@v2" is locked to 111111111111 and names 222222222222 today`}},
		"on one line": {"dependencies: {" + key("v1") + ": " + entry("v1") + ", " + key("v2") + ": " + entry("v2") + ", " + key("main") + ": " + entry("main") + "}\n",
			l{`4 "acme/tool@v2" is locked to 111111111111 and names 222222222222 today`, `4 "acme/tool@main" is locked to 111111111111 and names 222222222222 today`}},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := fstest.MapFS{".github/workflows/ci.yml": {Data: []byte(wfText("      - uses: acme/tool@v1\n      - uses: acme/tool@v2\n      - uses: acme/tool@main\n"))},
				".github/workflows/actions.lock": {Data: []byte(head + tc.dependencies)}}
			res := known()
			acme := res.Actions["acme/tool"]
			acme.Commits = map[string]bool{shaOld: true}
			res.Actions["acme/tool"] = acme
			r, err := pin.Check(context.Background(), fsys, pin.Config{Source: res, Verify: true})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range r.Findings {
				got = append(got, fmt.Sprint(f.Line, " ", f.Message))
				if f.Rule != "action/lock-moved" {
					t.Errorf("also found: %s: %s", f.Rule, f.Message)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}
