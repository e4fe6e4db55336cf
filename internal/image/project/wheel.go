package project

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// Filename is the name of the project's wheel.
func (p *Project) Filename() string {
	return fmt.Sprintf("%s-%s-py3-none-any.whl", p.stem(), strings.ReplaceAll(p.Version, "-", "_"))
}

func (p *Project) stem() string {
	return strings.ReplaceAll(requirement.NormalizeName(p.Name), "-", "_")
}

// WriteWheel writes the project as a wheel, so that it is installed by the same
// code as every other package. The archive is a means, not a product: its
// members are stored, and read once.
func (p *Project) WriteWheel(t Tree, w io.Writer) error {
	info := fmt.Sprintf("%s-%s.dist-info", p.stem(), strings.ReplaceAll(p.Version, "-", "_"))
	made := map[string]string{
		path.Join(info, "METADATA"): p.header(),
		path.Join(info, "WHEEL"):    "Wheel-Version: 1.0\nGenerator: fairlead\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
	}
	if e := p.entryPoints(); e != "" {
		made[path.Join(info, "entry_points.txt")] = e
	}
	z := zip.NewWriter(w)
	var record strings.Builder
	add := func(name string, content []byte, executable bool) error {
		h := &zip.FileHeader{Name: name, Method: zip.Store}
		h.SetMode(0o644)
		if executable {
			h.SetMode(0o755)
		}
		f, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", quoted(name), base64.RawURLEncoding.EncodeToString(sum[:]), len(content))
		_, err = f.Write(content)
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		content, err := t.Read(p.Files[name])
		if err != nil {
			return fmt.Errorf("reading %q: %w", p.Files[name], err)
		}
		if err := add(name, content, t.Executable(p.Files[name])); err != nil {
			return fmt.Errorf("packing %q: %w", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(made)) {
		if err := add(name, []byte(made[name]), false); err != nil {
			return fmt.Errorf("packing %q: %w", name, err)
		}
	}
	own := path.Join(info, "RECORD")
	record.WriteString(quoted(own) + ",,\n")
	if err := add(own, []byte(record.String()), false); err != nil {
		return fmt.Errorf("packing %q: %w", own, err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("packing the project: %w", err)
	}
	return nil
}

// quoted is a CSV field.
func quoted(s string) string {
	if !strings.ContainsAny(s, "\",\n\r") {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}
