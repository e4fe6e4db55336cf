//go:build conformance

package sbom_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/sbom"
)

// TestConformanceReaders: spdx-tools and cyclonedx-python-lib accept what is
// written, of usual images and of those that lack or overdo things; and refuse
// what is spoiled, so that their silence means something.
func TestConformanceReaders(t *testing.T) {
	python, err := filepath.Abs("../../.cache/conformance/sbom/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Skip("no readers: run make conformance, which installs them")
	}
	images := map[string]sbom.Image{"example": example(), "empty": {Name: "app", Application: sbom.Application{Name: "app"}}}
	odd := example()
	odd.Base, odd.Platform = sbom.Base{Name: "host", Python: "3.11.7"}, "linux/arm64/v8"
	odd.Packages = []sbom.Package{
		{Name: "a", Version: "0", License: sbom.License{Text: "<b>\u0000\n\"quoted\"\n" + strings.Repeat("x", 10_000)}},
		{Name: "zope-interface", Version: "1!2.0rc1.post2.dev3+l.1", SHA256: strings.Repeat("00", 32), License: sbom.ReadLicense("MIT OR (GPL-2.0-only WITH Classpath-exception-2.0)", "", nil)},
		{Name: "b", Version: "1", License: sbom.ReadLicense("", "Apache-2.0+", nil), Needs: []string{"a", "zope-interface"}},
	}
	images["odd"] = odd
	dir := t.TempDir()
	var files []string
	for name, img := range images {
		for _, f := range sbom.Formats() {
			raw, err := sbom.Write(f, img)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, name+f.Extension())
			if err := os.WriteFile(file, raw, 0o644); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
	validate := func(files ...string) string {
		out, err := exec.Command(python, append([]string{"testdata/validate.py"}, files...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if out := validate(files...); out != "" {
		t.Error(out)
	}
	for f, spoil := range map[sbom.Format][2]string{sbom.SPDX: {`"BSD-3-Clause"`, `"BSD-33"`}, sbom.CycloneDX: {`"SHA-256"`, `"SHA-257"`}} {
		raw, err := sbom.Write(f, example())
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "spoiled"+f.Extension())
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(raw), spoil[0], spoil[1])), 0o644); err != nil {
			t.Fatal(err)
		}
		if out := validate(file); out == "" {
			t.Errorf("%s: the reader accepts %s", f, spoil[1])
		}
	}
	t.Logf("%d documents accepted by spdx-tools and cyclonedx-python-lib; spoiled ones refused", len(files))
}
