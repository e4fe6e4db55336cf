package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func sample() []Entry {
	long := strings.Repeat("d", 60) + "/" + strings.Repeat("e", 60) + "/" + strings.Repeat("f", 60)
	return []Entry{
		File("app/main.py", []byte("print('hello')\n"), false),
		File("app/bin/run", []byte("#!/bin/sh\n"), true),
		File("app/empty", nil, false),
		Symlink("app/link", "main.py"),
		Symlink("app/far", "../"+strings.Repeat("x", 120)),
		File("app/"+long, bytes.Repeat([]byte("z"), 512), false),
		File("app/"+strings.Repeat("n", 101), []byte("1"), false),
		File("app/naïve-ñ.txt", []byte("2"), false),
		File("app/main.py.d/x", []byte("3"), false),
		{Path: "tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
	}
}

// The digest of this layer is part of the layout: if it changes, every image
// ever built changes, and LayoutVersion must.
const golden = "sha256:6715b60078a7fe85ce5084ba1a25f3131b4957f33f2dbd27f0bd3dfba2839c34"

func TestGoldenDigest(t *testing.T) {
	l, err := FromEntries(sample(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got := l.digest.String(); got != golden {
		t.Errorf("digest = %s; want %s: the layout of layers changed", got, golden)
	}
	shuffled := sample()
	slices.Reverse(shuffled)
	again, err := FromEntries(shuffled, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if again.digest != l.digest {
		t.Error("the order of the list changes the digest")
	}
	if err := validate.Layer(l); err != nil {
		t.Error(err)
	}
}

func TestReadersAgree(t *testing.T) {
	l, err := FromEntries(sample(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want := map[string]Entry{}
	for _, e := range sample() {
		want[e.Path] = e
	}
	dirs := map[string]bool{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(h.Name, "/")
		if i := strings.LastIndexByte(name, '/'); i > 0 && !dirs[name[:i]] {
			t.Errorf("%q comes before its parent", name)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.ModTime.Unix() != 1 {
			t.Errorf("%q: owner or time is not constant: %+v", name, h)
		}
		if h.Typeflag == tar.TypeDir {
			if dirs[name] {
				t.Errorf("folder %q twice", name)
			}
			dirs[name] = true
		}
		e, ok := want[name]
		if name == landmark || name == tocName {
			continue
		}
		if !ok {
			if h.Typeflag != tar.TypeDir || h.Mode != 0o755 {
				t.Errorf("unexpected %q: %+v", name, h)
			}
			continue
		}
		delete(want, name)
		if got := h.FileInfo().Mode(); got != e.Mode {
			t.Errorf("%q: mode %s; want %s", name, got, e.Mode)
		}
		if h.Linkname != e.Link || h.Size != e.Size {
			t.Errorf("%q: link %q size %d; want %q %d", name, h.Linkname, h.Size, e.Link, e.Size)
		}
		if e.Size > 0 {
			body, _ := e.Open()
			expected, _ := io.ReadAll(body)
			if got, err := io.ReadAll(tr); err != nil || !bytes.Equal(got, expected) {
				t.Errorf("%q: content differs (%v)", name, err)
			}
		}
	}
	for name := range want {
		t.Errorf("%q is missing", name)
	}
}

func TestDamagedKeptLayersAreNoticed(t *testing.T) {
	l, err := FromEntries(sample(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cache", "x.tar.gz")
	if _, err := Kept(file, t.TempDir()); err == nil {
		t.Error("a layer came from nowhere")
	}
	if err := l.Keep(file); err != nil {
		t.Fatal(err)
	}
	again, err := Kept(file, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if again.digest != l.digest || again.diffID != l.diffID || again.blob.size != l.blob.size || again.toc != l.toc {
		t.Errorf("kept %+v; was %+v", again, l)
	}
	other, err := FromEntries(sample()[:2], t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	open, err := other.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	planted, err := io.ReadAll(open)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"another layer": planted, "no layer": []byte("x")} {
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Kept(file, t.TempDir()); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestRefusals(t *testing.T) {
	short := File("a", []byte("12345"), false)
	short.Size = 9
	long := File("a", []byte("12345"), false)
	long.Size = 2
	failing := File("a", []byte("1"), false)
	failing.Open = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
	tests := map[string][]Entry{
		"absolute":        {File("/etc/passwd", nil, false)},
		"climbing":        {File("app/../../x", nil, false)},
		"dot":             {File("./x", nil, false)},
		"NUL":             {File("a\x00b", nil, false)},
		"twice":           {File("a", nil, false), File("a", nil, true)},
		"below a file":    {File("a", nil, false), File("a/b", nil, false)},
		"below a link":    {Symlink("a", "/etc"), File("a/b", nil, false)},
		"not UTF-8":       {File("a\xff", nil, false)},
		"a link's target": {Symlink("a", "\xff")},
		"the contents":    {File(tocName, nil, false)},
		"the landmark":    {File(landmark, nil, false)},
		"device":          {{Path: "a", Mode: fs.ModeDevice | 0o644}},
		"setuid":          {{Path: "a", Mode: fs.ModeSetuid | 0o755}},
		"file got short":  {short},
		"file grew":       {long},
		"opening failing": {failing},
	}
	for name, entries := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := FromEntries(entries, dir); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func FuzzHeader(f *testing.F) {
	for _, e := range sample() {
		f.Add(e.Path, e.Link, int64(e.Size))
	}
	f.Fuzz(func(t *testing.T, name, link string, size int64) {
		if !fs.ValidPath(name) || name == "." || strings.ContainsRune(name+link, 0) || !utf8.ValidString(name+link) || size < 0 || size > maxSize {
			t.Skip()
		}
		e := Entry{Path: name, Mode: 0o644, Size: size}
		if link != "" {
			e = Symlink(name, link)
		}
		raw, err := header(e)
		if err != nil {
			t.Fatal(err)
		}
		h, err := tar.NewReader(bytes.NewReader(raw)).Next()
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if h.Name != name || h.Linkname != link || (link == "" && h.Size != size) {
			t.Errorf("read back %q -> %q, %d; want %q -> %q, %d", h.Name, h.Linkname, h.Size, name, link, size)
		}
	})
}
