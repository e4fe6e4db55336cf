// Package wheeltest builds wheels for tests: proper ones, and, by editing the
// archive before or after it is written, malformed ones.
package wheeltest

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strings"
)

// Wheel describes a wheel to build.
type Wheel struct {
	Name, Version string
	Tag           string            // "py3-none-any" if empty
	Files         map[string]string // archive path → content
	Exec          []string          // archive paths with the executable bit
	EntryPoints   string            // entry_points.txt
	Requires      []string
	RequiresPy    string
	NoRecord      bool
	NoWheel       bool
	WheelTag      string // what WHEEL says instead of py3-none-any
	// Header edits each zip header before it is written.
	Header func(*zip.FileHeader)
	// Extra is added after all other entries, as it stands.
	Extra []Entry
}

// Entry is a raw archive entry.
type Entry struct {
	Header  zip.FileHeader
	Content string
}

// Filename is the wheel's file name.
func (w Wheel) Filename() string {
	tag := w.Tag
	if tag == "" {
		tag = "py3-none-any"
	}
	return strings.ReplaceAll(w.Name, "-", "_") + "-" + w.Version + "-" + tag + ".whl"
}

type file struct {
	name, content string
	exec          bool
}

// entries are the files of the archive in order, with the metadata.
func (w Wheel) entries() []file {
	info := strings.ReplaceAll(w.Name, "-", "_") + "-" + w.Version + ".dist-info/"
	files := map[string]string{}
	for k, v := range w.Files {
		files[k] = v
	}
	set := func(k, v string) {
		if _, ok := files[k]; !ok {
			files[k] = v
		}
	}
	meta := fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", w.Name, w.Version)
	for _, r := range w.Requires {
		meta += "Requires-Dist: " + r + "\n"
	}
	if w.RequiresPy != "" {
		meta += "Requires-Python: " + w.RequiresPy + "\n"
	}
	set(info+"METADATA", meta)
	if !w.NoWheel {
		set(info+"WHEEL", "Wheel-Version: 1.0\nGenerator: wheeltest\nRoot-Is-Purelib: true\nTag: "+cmp.Or(w.WheelTag, "py3-none-any")+"\n")
	}
	if w.EntryPoints != "" {
		set(info+"entry_points.txt", w.EntryPoints)
	}
	var names []string
	for k := range files {
		names = append(names, k)
	}
	sort.Strings(names)
	if !w.NoRecord {
		var rec strings.Builder
		for _, n := range names {
			sum := sha256.Sum256([]byte(files[n]))
			fmt.Fprintf(&rec, "%s,sha256=%s,%d\n", n, base64.RawURLEncoding.EncodeToString(sum[:]), len(files[n]))
		}
		if _, ok := files[info+"RECORD"]; !ok {
			files[info+"RECORD"] = rec.String() + info + "RECORD,,\n"
			names = append(names, info+"RECORD")
		}
	}
	var out []file
	for _, n := range names {
		out = append(out, file{n, files[n], slices.Contains(w.Exec, n)})
	}
	return out
}

// Build writes the archive. It is deterministic.
func (w Wheel) Build() []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	write := func(h zip.FileHeader, content string) {
		if w.Header != nil {
			w.Header(&h)
		}
		f, err := z.CreateHeader(&h)
		if err == nil {
			_, err = f.Write([]byte(content))
		}
		if err != nil {
			panic(fmt.Sprintf("wheeltest: %v", err)) // a mistake in the test
		}
	}
	for _, f := range w.entries() {
		h := zip.FileHeader{Name: f.name, Method: zip.Deflate}
		mode := fs.FileMode(0o644)
		if f.exec {
			mode = 0o755
		}
		h.SetMode(mode)
		write(h, f.content)
	}
	for _, e := range w.Extra {
		write(e.Header, e.Content)
	}
	if err := z.Close(); err != nil {
		panic(fmt.Sprintf("wheeltest: %v", err))
	}
	return b.Bytes()
}
