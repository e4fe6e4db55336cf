package image_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
	"github.com/fairlead-ci/fairlead/internal/sbom"
)

// TestBills: bills of materials name every wheel with its hash, the base and the
// application, are the same bytes each time, and are attached to the platforms'
// images.
func TestBills(t *testing.T) {
	w := newWorld(t)
	w.add(wheeltest.Wheel{Name: "needy", Version: "1.0", Requires: []string{"served[fast]>=1", "speed; python_version < '3'", "absent"},
		Files: map[string]string{"needy.py": ""}})
	reg, err := registry.Start(t.Context(), registry.Options{Referrers: true})
	if err != nil {
		t.Fatal(err)
	}
	r := w.request()
	r.Image, r.Push, r.Tags = reg.Addr+"/acme/shop", true, []string{"v1"}
	r.Source, r.Revision, r.Version = "https://git.example/acme/shop", "3f2a9c1", "7"
	r.Created = time.Unix(1_700_000_000, 0)
	r.SBOM, r.SBOMFolder = sbom.Formats(), filepath.Join(t.TempDir(), "bills")
	d := deps()
	res := build(t, r, d)
	var names []string
	for _, b := range res.Bills {
		names = append(names, filepath.Base(b.Path))
		raw, err := os.ReadFile(b.Path)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(res.Platforms, func(p image.Platform) bool { return p.Platform == b.Platform })
		got, err := d.Registry.Attached(t.Context(), r.Image+"@"+res.Platforms[i].Digest, b.Format.MediaType())
		if err != nil || len(got) != 1 || string(got[0].Data) != string(raw) || b.Digest == "" {
			t.Errorf("%s: %d attached, %v", b.Path, len(got), err)
		}
		if b.Format == sbom.CycloneDX {
			checkBill(t, w, raw, res.Platforms[i])
		}
	}
	want := []string{"sbom.linux-amd64.spdx.json", "sbom.linux-amd64.cdx.json", "sbom.linux-arm64.spdx.json", "sbom.linux-arm64.cdx.json"}
	if !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	first, err := os.ReadFile(res.Bills[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	r.SBOMFolder = t.TempDir()
	again := build(t, r, deps())
	second, err := os.ReadFile(again.Bills[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) || again.Bills[0].Digest != res.Bills[0].Digest {
		t.Error("the second build wrote another bill")
	}

	r.Platforms, r.SBOM, r.Push, r.SBOMFolder = []string{"linux/amd64"}, []sbom.Format{sbom.SPDX}, false, t.TempDir()
	alone := build(t, r, deps())
	if len(alone.Bills) != 1 || filepath.Base(alone.Bills[0].Path) != "sbom.spdx.json" || alone.Bills[0].Digest != "" {
		t.Errorf("one platform: %+v", alone.Bills)
	}
}

// checkBill compares the components with what was chosen.
func checkBill(t *testing.T, w *world, raw []byte, p image.Platform) {
	t.Helper()
	var doc struct {
		Metadata   struct{ Timestamp string }
		Components []struct {
			Type, Name, Version, Purl string
			Hashes                    []struct{ Alg, Content string }
		}
		Dependencies []struct {
			Ref       string
			DependsOn []string
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Metadata.Timestamp != "2023-11-14T22:13:20Z" {
		t.Errorf("timestamp %s", doc.Metadata.Timestamp)
	}
	var got, want []string
	for _, c := range doc.Components {
		switch c.Type {
		case "library":
			got = append(got, c.Name+" "+c.Version+" "+c.Hashes[0].Content)
		case "application":
			if c.Version != "7" {
				t.Errorf("the application is %+v", c)
			}
		case "container":
			if !strings.HasPrefix(c.Version, "sha256:") {
				t.Errorf("the base is %+v", c)
			}
		}
	}
	for _, c := range p.Wheels {
		raw, err := os.ReadFile(filepath.Join(w.wheels, c.Wheel))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(raw)
		want = append(want, c.Name+" "+c.Version+" "+hex.EncodeToString(sum[:]))
	}
	slices.Sort(want)
	if len(want) != 4 || !slices.Equal(got, want) {
		t.Errorf("components %q, want %q", got, want)
	}
	for _, d := range doc.Dependencies {
		if d.Ref == "pypi:needy" && !slices.Equal(d.DependsOn, []string{"pypi:served"}) {
			t.Errorf("needy needs %q", d.DependsOn)
		}
		if d.Ref == "application" && !slices.Equal(d.DependsOn, []string{"pypi:large-thing", "pypi:needy", "pypi:speed"}) {
			t.Errorf("the application needs %q", d.DependsOn)
		}
	}
}
