package image_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

// TestOrigins: what the lock has from a URL says so in the image (PEP 610), what
// it has from an index does not; the two are different layers.
func TestOrigins(t *testing.T) {
	w := newWorld(t)
	s := w.shelf()
	f := wheeltest.Wheel{Name: "direct", Version: "1.0", Files: map[string]string{"direct.py": ""}}
	w.add(f)
	sum := sha256.Sum256(f.Build())
	hash := hex.EncodeToString(sum[:])
	w.sums[f.Filename()] = hash
	url := s.URL + "/files/" + f.Filename()
	digests := map[string]bool{}
	for lock, want := range map[string]string{
		fmt.Sprintf("direct @ %s --hash=sha256:%s\n", url, hash): fmt.Sprintf(`{"archive_info":{"hash":"sha256=%s","hashes":{"sha256":"%s"}},"url":"%s"}`, hash, hash, url),
		fmt.Sprintf("direct==1.0 --hash=sha256:%s\n", hash):      "",
	} {
		w.file("requirements.txt", lock)
		w.file("Procfile", "web: python shop.py\n")
		r := w.request()
		r.Platforms, r.Index = []string{"linux/amd64"}, s.config()
		r.Outputs = []image.Output{{Kind: image.OutputOCI, Path: filepath.Join(t.TempDir(), "out")}}
		res := build(t, r, deps())
		digests[res.Digest] = true
		img, err := oci.ReadLayout(r.Outputs[0].Path, "linux/amd64")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for name, text := range contents(t, img, 1) {
			if strings.HasSuffix(name, "direct-1.0.dist-info/direct_url.json") {
				got = text
			}
		}
		if got != want {
			t.Errorf("%s\ndirect_url.json is %q, want %q", lock, got, want)
		}
	}
	if len(digests) != 2 {
		t.Error("a wheel from a URL and one from an index gave the same image")
	}
}
