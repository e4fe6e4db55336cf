//go:build conformance

package conform

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/sbom"
)

var distInfo = regexp.MustCompile(`^([^/]+)-([^/-]+)\.dist-info/METADATA$`)

// checkBills holds an image's bills of materials against what uv installed and
// the hashes of the lock, and lets independent readers validate them.
func checkBills(t *testing.T, folder string, uv tree, lock []byte) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(folder, "sbom"+sbom.CycloneDX.Extension()))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components []struct {
			Type, Name, Version string
			Hashes              []struct{ Content string }
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, c := range doc.Components {
		if c.Type != "library" {
			continue
		}
		got = append(got, c.Name+" "+strings.ReplaceAll(c.Version, "-", "_"))
		if len(c.Hashes) != 1 || !bytes.Contains(lock, []byte("sha256:"+c.Hashes[0].Content)) {
			t.Errorf("the bill of materials has %s with a hash that the lock does not have: %v", c.Name, c.Hashes)
		}
	}
	for name := range uv {
		if m := distInfo.FindStringSubmatch(name); m != nil {
			want = append(want, requirement.NormalizeName(m[1])+" "+m[2])
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("the bill of materials has %q, uv installs %q", got, want)
	}
	script, err := filepath.Abs("../../sbom/testdata/validate.py")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{script}
	for _, f := range sbom.Formats() {
		args = append(args, filepath.Join(folder, "sbom"+f.Extension()))
	}
	if out, err := exec.Command(tool(t, "sbom", "python"), args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("validating the bills of materials: %v\n%s", err, out)
	}
}
