package wheel

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"
)

// readRecord reads the digests that RECORD promises, by archive path. It
// tolerates what published wheels have: absolute paths, backslashes, rows of odd
// length, rows for absent files and files without a row.
func (in *installer) readRecord() (map[string][32]byte, error) {
	data, ok, err := in.a.small(in.info + "/RECORD")
	if err != nil || !ok {
		return nil, firstError(err, in.errf("no %s/RECORD", in.info))
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	out := map[string][32]byte{}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, in.errf("RECORD: %w", err)
		}
		if len(row) < 2 {
			continue
		}
		algo, sum, _ := strings.Cut(row[1], "=")
		size := map[string]int{"sha256": 32, "sha384": 48, "sha512": 64}[algo]
		if size == 0 {
			continue // none, or one that proves nothing
		}
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(sum, "="))
		if err != nil || len(raw) != size {
			return nil, in.errf("RECORD: %q has the malformed digest %q", row[0], row[1])
		}
		name := path.Clean(strings.TrimLeft(strings.ReplaceAll(row[0], "\\", "/"), "/"))
		if size == 32 {
			out[name] = [32]byte(raw)
		} else {
			in.longer[name] = raw
		}
	}
}

// checkLonger compares a file with the SHA-384 or SHA-512 that RECORD has of it,
// if it has one: the specification allows them.
func (in *installer) checkLonger(e entry) error {
	want, ok := in.longer[e.Name]
	if !ok {
		return nil
	}
	h := sha512.New()
	if len(want) == sha512.Size384 {
		h = sha512.New384()
	}
	got, err := in.a.digest(e, h)
	if err == nil && !bytes.Equal(got, want) {
		err = in.errf("%q does not match its digest in RECORD", e.Name)
	}
	return err
}

// check compares a file's digest with RECORD's, if RECORD has one.
func (in *installer) check(name string, got [32]byte, rec map[string][32]byte) error {
	if want, ok := rec[name]; !ok || got == want {
		return nil
	}
	return in.errf("%q does not match its digest in RECORD", name)
}

// record writes the RECORD of what is installed: paths relative to
// site-packages, sorted, digests of the files as they are in the image.
func (in *installer) record() {
	self := in.s.Site() + "/" + in.info + "/RECORD"
	depth := strings.Repeat("../", strings.Count(in.s.Site(), "/")+1)
	var rows [][]string
	for _, f := range in.out.Files {
		rel, ok := strings.CutPrefix(f.Path, in.s.Site()+"/")
		if !ok {
			rel = depth + f.Path
		}
		rows = append(rows, []string{rel, "sha256=" + base64.RawURLEncoding.EncodeToString(f.SHA256[:]), fmt.Sprint(f.Size)})
	}
	rows = append(rows, []string{in.info + "/RECORD", "", ""})
	sort.Slice(rows, func(i, j int) bool { return rows[i][0] < rows[j][0] })
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.WriteAll(rows) // a bytes.Buffer does not fail
	in.out.Files = append(in.out.Files, bytesFile(self, 0o644, b.Bytes()))
}

// Collision is a path that two wheels install with different contents.
type Collision struct {
	Path   string
	Wheels [2]string
}

// Collisions finds the paths that several wheels install with different bytes or
// modes, and those that are a file of one and a folder of another. Equal files
// pass: namespace packages of old share their __init__.py.
func Collisions(all []*Installed) []Collision {
	type owner struct {
		f    File
		from string
	}
	seen, folders := map[string]owner{}, map[string]string{}
	var out []Collision
	for _, w := range all {
		for _, f := range w.Files {
			for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
				if _, known := folders[dir]; known {
					break // and so are those above it
				}
				folders[dir] = w.Filename
			}
			o, dup := seen[f.Path]
			if !dup {
				seen[f.Path] = owner{f, w.Filename}
				continue
			}
			if o.f.SHA256 != f.SHA256 || o.f.Mode != f.Mode {
				out = append(out, Collision{f.Path, [2]string{o.from, w.Filename}})
			}
		}
	}
	for p, o := range seen {
		if other, both := folders[p]; both {
			out = append(out, Collision{p, [2]string{o.from, other}})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out
}
