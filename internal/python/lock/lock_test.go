package lock

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

func TestFromRequirements(t *testing.T) {
	h := " --hash=sha256:" + strings.Repeat("a", 64)
	fsys := fstest.MapFS{
		"ok.txt":  {Data: []byte("-i https://index.example/simple\nFoo_Bar==1.0" + h + "\nx==1 ; python_version<'3'" + h + "\nx==2 ; python_version>='3'" + h + "\n")},
		"bad.txt": {Data: []byte("a>=1" + h + "\nb==1\n-e .\ngit+https://g.example/x@v\nc==1.*" + h + "\n")},
		"two.txt": {Data: []byte("a==1" + h + "\na==2" + h + "\n")},
	}
	l, err := FromRequirements(fsys, "ok.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	ps, err := l.Select(Target{Env: requirement.Env{Vars: map[string]string{"python_version": "3.11"}}})
	if err != nil || len(ps) != 2 || ps[0].Name != "foo-bar" || ps[1].Version != "2" || l.IndexURL == "" {
		t.Errorf("selected %+v, %v", ps, err)
	}
	_, err = FromRequirements(fsys, "bad.txt", nil)
	if failure.CodeOf(err) != failure.Usage {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"bad.txt:1:1: a>=1: not pinned", "bad.txt:2:1: b==1: no --hash", "bad.txt:3:1: .: local", "bad.txt:4:1: git", "bad.txt:5:1: c==1.*: not pinned"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	two, err := FromRequirements(fsys, "two.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Select(Target{}); err == nil || !strings.Contains(err.Error(), "two.txt:2: a==2, but two.txt:1 has a==1") {
		t.Errorf("two versions: %v", err)
	}
	if _, err := FromRequirements(fsys, "none.txt", nil); failure.CodeOf(err) != failure.Usage {
		t.Errorf("missing file: %v", err)
	}
}
