package rewrite

import (
	"os"
	"strings"
	"testing"
)

func TestWorkflow(t *testing.T) {
	in := "on: push\njobs:\n  a:\n    runs-on: x\n    environment:\n      name: e\n      deployment: false # why\n    concurrency:\n      group: g\n      queue: max\n    steps:\n      - uses: $/actions/check\n      - uses: $/ # root\n      - uses: actions/checkout@v1\n"
	got := string(Workflow([]byte(in), Options{SHA: "abc", Env: map[string]string{"HOME": "/h/{job}"}}))
	want := "on: push\njobs:\n  a:\n    runs-on: x\n    env:\n      HOME: \"/h/a\"\n    environment:\n      name: e\n    concurrency:\n      group: g\n    steps:\n      - uses: fairlead-ci/fairlead/actions/check@abc\n      - uses: fairlead-ci/fairlead@abc # root\n      - uses: actions/checkout@v1\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := string(Workflow([]byte("  - uses: $/actions/check\n"), Options{})); got != "  - uses: ./actions/check\n" {
		t.Errorf("without a SHA: %q", got)
	}
}

// Nothing that act or actionlint reject stays in the copy of the real ones.
func TestNothingIsLeft(t *testing.T) {
	text, err := os.ReadFile("../../.github/workflows/pipeline.yml")
	if err != nil {
		t.Fatal(err)
	}
	got := string(Workflow(text, Options{SHA: strings.Repeat("1", 40)}))
	for _, bad := range []string{"$/", "queue:", "deployment: false"} {
		if strings.Contains(got, bad) && bad != "$/" || strings.Contains(got, "uses: $/") {
			t.Errorf("%q is still there", bad)
		}
	}
}
