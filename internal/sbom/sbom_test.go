package sbom_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/sbom"
)

var update = flag.Bool("update", false, "write the golden files")

func example() sbom.Image {
	return sbom.Image{
		Name: "registry.example/acme/shop", Digest: "sha256:" + strings.Repeat("ab", 32), Platform: "linux/arm64",
		Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("x", 7200)), Tool: "1.0.0",
		Base:        sbom.Base{Name: "registry.example/library/python:3.13-slim", Digest: "sha256:" + strings.Repeat("cd", 32), Python: "3.13.1"},
		Application: sbom.Application{Name: "shop", Version: "2.0", Source: "https://git.example/acme/shop", Revision: "3f2a9c1"},
		Packages: []sbom.Package{
			{Name: "flask", Version: "3.1.0", Wheel: "flask-3.1.0-py3-none-any.whl", SHA256: strings.Repeat("01", 32), Needs: []string{"werkzeug", "jinja2", "absent", "flask"},
				License: sbom.ReadLicense("bsd-3-clause", "", nil)},
			{Name: "werkzeug", Version: "3.1.3+local.1", Wheel: "werkzeug-3.1.3+local.1-py3-none-any.whl", SHA256: strings.Repeat("02", 32), License: sbom.ReadLicense("", "See LICENSE\n<b>twice</b>", nil)},
			{Name: "jinja2", Version: "1!3.0", License: sbom.ReadLicense("", "", []string{"License :: OSI Approved :: BSD License"})},
		},
	}
}

func TestGolden(t *testing.T) {
	for _, f := range sbom.Formats() {
		got, err := sbom.Write(f, example())
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join("testdata", "example"+f.Extension())
		if *update {
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))) {
			t.Errorf("%s differs from %s (go test -update writes it):\n%s", f, name, got)
		}
	}
}

// TestFunctionOfTheImage: order does not matter, the digest does.
func TestFunctionOfTheImage(t *testing.T) {
	serial := regexp.MustCompile(`urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|fairlead-[0-9a-f-]{36}`)
	for _, f := range sbom.Formats() {
		a, b, c := example(), example(), example()
		slices.Reverse(b.Packages)
		c.Digest = "sha256:" + strings.Repeat("00", 32)
		x, errX := sbom.Write(f, a)
		y, errY := sbom.Write(f, b)
		z, errZ := sbom.Write(f, c)
		if errX != nil || errY != nil || errZ != nil {
			t.Fatal(errX, errY, errZ)
		}
		if !bytes.Equal(x, y) {
			t.Errorf("%s: the packages' order shows", f)
		}
		if s := serial.Find(x); s == nil || bytes.Equal(s, serial.Find(z)) {
			t.Errorf("%s: serials %q and %q", f, s, serial.Find(z))
		}
		if example().Packages[0].Name != a.Packages[0].Name {
			t.Errorf("%s: the caller's packages were sorted", f)
		}
		if !json.Valid(x) {
			t.Errorf("%s: not JSON", f)
		}
	}
}

func TestRefused(t *testing.T) {
	img := example()
	img.Packages = append(img.Packages, img.Packages[0])
	if _, err := sbom.Write(sbom.SPDX, img); err == nil || !strings.Contains(err.Error(), `"flask" is in the image twice`) {
		t.Errorf("twice: %v", err)
	}
	if _, err := sbom.Write("syft", example()); err == nil || !strings.Contains(err.Error(), `"syft" is neither`) {
		t.Errorf("unknown format: %v", err)
	}
}

func TestReadLicense(t *testing.T) {
	for _, c := range []struct {
		expression, license string
		classifiers         []string
		want                sbom.License
	}{
		{"MIT", "something", nil, sbom.License{Expression: "MIT"}},
		{"mit or (apache-2.0 and bsd-2-clause)", "", nil, sbom.License{Expression: "MIT OR (Apache-2.0 AND BSD-2-Clause)"}},
		{"GPL-3.0-or-later with gcc-exception-3.1", "", nil, sbom.License{Expression: "GPL-3.0-or-later WITH GCC-exception-3.1"}},
		{"Apache-2.0+", "", nil, sbom.License{}},
		{"", "BSD-3-Clause", nil, sbom.License{Expression: "BSD-3-Clause"}},
		{"", "BSD", nil, sbom.License{Text: "BSD"}},
		{"MIT AND", "", nil, sbom.License{}},
		{"(MIT", "MIT License", nil, sbom.License{Text: "MIT License"}},
		{"MIT Apache-2.0", "", nil, sbom.License{}},
		{"MIT WITH nothing", "", nil, sbom.License{}},
		{"LicenseRef-x", "", nil, sbom.License{}},
		{strings.Repeat("(", 200) + "MIT" + strings.Repeat(")", 200), "", nil, sbom.License{}},
		{"", "", []string{"License :: OSI Approved :: MIT License", "Programming Language :: Python"}, sbom.License{Expression: "MIT"}},
		{"", "", []string{"License :: OSI Approved :: MIT License", "License :: OSI Approved :: Apache Software License"}, sbom.License{Text: "MIT; Apache-2.0"}},
		{"", "UNKNOWN", []string{"License :: OSI Approved :: BSD License"}, sbom.License{Text: "BSD License"}},
		{"", "", []string{"License :: OSI Approved"}, sbom.License{}},
		{"", "", nil, sbom.License{}},
	} {
		if got := sbom.ReadLicense(c.expression, c.license, c.classifiers); got != c.want {
			t.Errorf("ReadLicense(%q, %q, %q) = %+v, want %+v", c.expression, c.license, c.classifiers, got, c.want)
		}
	}
	if got := sbom.ReadLicense("", strings.Repeat("long ", 100_000), nil); len(got.Text) > 40_000 {
		t.Errorf("a text of %d bytes is repeated", len(got.Text))
	}
}

func FuzzReadLicense(f *testing.F) {
	f.Add("MIT OR (Apache-2.0 WITH LLVM-exception)", "x")
	f.Add("", "BSD \xff")
	f.Fuzz(func(t *testing.T, expression, license string) {
		l := sbom.ReadLicense(expression, license, nil)
		if l.Expression != "" {
			if again := sbom.ReadLicense(l.Expression, "", nil); again != (sbom.License{Expression: l.Expression}) {
				t.Errorf("%q reads as %+v", l.Expression, again)
			}
		}
		img := example()
		img.Packages[0].License = l
		for _, format := range sbom.Formats() {
			if raw, err := sbom.Write(format, img); err != nil || !json.Valid(raw) {
				t.Errorf("%s: %v", format, err)
			}
		}
	})
}
