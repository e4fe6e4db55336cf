package image_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image"
)

// The same pins in another tool's lock choose the same wheels.
func TestLocksOfOtherTools(t *testing.T) {
	plan := func(w *world) string {
		res, err := image.Plan(t.Context(), w.request(), deps())
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, p := range res.Platforms {
			for _, c := range p.Wheels {
				out = append(out, p.Platform+" "+c.Wheel)
			}
		}
		return strings.Join(out, "\n")
	}
	w := newWorld(t)
	want := plan(w)
	if strings.Count(want, "\n") != 5 {
		t.Fatalf("plan\n%s", want)
	}
	data, err := os.ReadFile(filepath.Join(w.context, "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(w.context, "requirements.txt")); err != nil {
		t.Fatal(err)
	}
	pipfile, poetry := []string{}, "[metadata]\nlock-version = \"2.1\"\n"
	for _, m := range regexp.MustCompile(`(?m)^(\S+)==(\S+)((?: \\\n    \S+)+)`).FindAllStringSubmatch(string(data), -1) {
		var hashes, files []string
		for _, h := range regexp.MustCompile(`sha256:[0-9a-f]+`).FindAllString(m[3], -1) {
			hashes = append(hashes, `"`+h+`"`)
			files = append(files, `{ file = "x.whl", hash = "`+h+`" }`)
		}
		pipfile = append(pipfile, `"`+m[1]+`": {"version": "==`+m[2]+`", "hashes": [`+strings.Join(hashes, ", ")+`]}`)
		poetry += "[[package]]\nname = \"" + m[1] + "\"\nversion = \"" + m[2] + "\"\ngroups = [\"main\"]\nfiles = [" + strings.Join(files, ", ") + "]\n"
	}
	for name, text := range map[string]string{"Pipfile.lock": `{"_meta": {"pipfile-spec": 6}, "default": {` + strings.Join(pipfile, ",\n") + `}}`, "poetry.lock": poetry} {
		w.file(name, text)
		if got := plan(w); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
		if name == "poetry.lock" {
			w.file(name, poetry+"[[package]]\nname = \"mine\"\nversion = \"1\"\ngroups = [\"main\"]\nfiles = []\n[package.source]\ntype = \"directory\"\nurl = \"lib\"\n")
			if _, err := image.Plan(t.Context(), w.request(), deps()); failure.CodeOf(err) != failure.Usage || !strings.Contains(err.Error(), `mine is the folder "lib", which is not there`) {
				t.Errorf("a source tree: %v", err)
			}
		}
		if err := os.Remove(filepath.Join(w.context, name)); err != nil {
			t.Fatal(err)
		}
	}
}
