package layer

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/layer/frozen"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// member is an entry of a zip that is written by hand, so that its bytes depend
// on no compressor's version and may be wrong on purpose.
type member struct {
	name       string
	content    []byte
	stored     bool
	exec       bool
	descriptor int // 0: none; else its form: 1 with signature, 2 without
	zip64      bool
	extra      int // bytes of the local header's extra field

	slack  []byte // after the deflate stream, within the compressed size
	packed []byte // instead of the right bytes
	crc    uint32 // instead of the right one
	size   int    // instead of the right one

	promise []byte // what RECORD has the digest of, instead
}

// zipFile writes members as a zip.
func zipFile(members []member) []byte {
	le := binary.LittleEndian
	var out, dir []byte
	var enc frozen.Encoder
	for _, m := range members {
		method, body := uint16(8), m.packed
		switch {
		case m.stored:
			method, body = 0, m.content
		case body == nil:
			body = enc.Append(nil, m.content)
		}
		body = append(bytes.Clone(body), m.slack...)
		crc, size := crc32.ChecksumIEEE(m.content), len(m.content)
		if m.crc != 0 {
			crc = m.crc
		}
		if m.size != 0 {
			size = m.size
		}
		flags := uint16(0x800)
		if m.descriptor > 0 {
			flags |= 8
		}
		offset := uint32(len(out))
		local := le.AppendUint32(nil, 0x04034b50)
		common := le.AppendUint16(nil, 45)
		common = le.AppendUint16(common, flags)
		common = le.AppendUint16(common, method)
		common = le.AppendUint32(common, 0x21<<16)
		sizes := le.AppendUint32(nil, crc)
		var extra []byte
		if m.zip64 {
			sizes = le.AppendUint64(sizes, 0xffffffffffffffff)
			extra = le.AppendUint16(extra, 1)
			extra = le.AppendUint16(extra, 16)
			extra = le.AppendUint64(extra, uint64(size))
			extra = le.AppendUint64(extra, uint64(len(body)))
		} else {
			sizes = le.AppendUint32(sizes, uint32(len(body)))
			sizes = le.AppendUint32(sizes, uint32(size))
		}
		localExtra := extra
		if m.extra > 0 {
			localExtra = le.AppendUint16(bytes.Clone(extra), 0xcafe)
			localExtra = le.AppendUint16(localExtra, uint16(m.extra))
			localExtra = append(localExtra, make([]byte, m.extra)...)
		}
		local = append(local, common...)
		if m.descriptor > 0 {
			local = append(local, make([]byte, 12)...)
		} else {
			local = append(local, sizes...)
		}
		local = le.AppendUint16(local, uint16(len(m.name)))
		local = le.AppendUint16(local, uint16(len(localExtra)))
		out = append(append(append(out, local...), m.name...), localExtra...)
		out = append(out, body...)
		if m.descriptor == 1 {
			out = le.AppendUint32(out, 0x08074b50)
		}
		if m.descriptor > 0 {
			out = le.AppendUint32(out, crc)
			out = le.AppendUint32(out, uint32(len(body)))
			out = le.AppendUint32(out, uint32(size))
		}
		mode := uint32(0o100644)
		if m.exec {
			mode = 0o100755
		}
		dir = le.AppendUint32(dir, 0x02014b50)
		dir = le.AppendUint16(dir, 3<<8|45)
		dir = append(append(dir, common...), sizes...)
		dir = le.AppendUint16(dir, uint16(len(m.name)))
		dir = le.AppendUint16(dir, uint16(len(extra)))
		dir = append(dir, make([]byte, 6)...)
		dir = le.AppendUint32(dir, mode<<16)
		dir = le.AppendUint32(dir, offset)
		dir = append(append(dir, m.name...), extra...)
	}
	start := len(out)
	out = append(out, dir...)
	out = le.AppendUint32(out, 0x06054b50)
	out = append(out, 0, 0, 0, 0)
	out = le.AppendUint16(out, uint16(len(members)))
	out = le.AppendUint16(out, uint16(len(members)))
	out = le.AppendUint32(out, uint32(len(dir)))
	out = le.AppendUint32(out, uint32(start))
	return append(out, 0, 0)
}

// wheelOf completes members to a wheel's bytes.
func wheelOf(name string, members ...member) []byte {
	info := name + "-1.0.dist-info/"
	members = append(members,
		member{name: info + "METADATA", content: []byte("Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n")},
		member{name: info + "WHEEL", content: []byte("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")})
	var record strings.Builder
	for _, m := range members {
		sum := sha256.Sum256(m.content)
		if m.promise != nil {
			sum = sha256.Sum256(m.promise)
		}
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", m.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(m.content))
	}
	return zipFile(append(members, member{name: info + "RECORD", content: []byte(record.String())}))
}

func noise(n int) []byte {
	out := make([]byte, n)
	s := uint32(7)
	for i := range out {
		s = s*1664525 + 1013904223
		out[i] = byte(s >> 24)
	}
	return out
}

// promised reads a wheel as build-image does.
func promised(t testing.TB, name string, raw []byte) (*wheel.Installed, error) {
	t.Helper()
	return wheel.Promise(bytes.NewReader(raw), int64(len(raw)), name+"-1.0-py3-none-any.whl", wheel.Scheme{Prefix: "/app/.venv", Python: [2]int{3, 11}})
}

// generated are wheels of every shape.
func generated() map[string][]byte {
	text := []byte(strings.Repeat("def f(x):\n    return x + 1\n\n", 300))
	long := strings.Repeat("long_folder_name/", 9) + strings.Repeat("n", 90) + ".py"
	return map[string][]byte{
		"plain":       wheelOf("plain", member{name: "plain/__init__.py", content: text}, member{name: "plain/empty.py"}, member{name: "plain/tool", content: []byte("x"), exec: true}),
		"stored":      wheelOf("stored", member{name: "stored/a.bin", content: noise(200_000), stored: true}, member{name: "stored/b", content: []byte("b"), stored: true}, member{name: "stored/c", stored: true}),
		"descriptors": wheelOf("descriptors", member{name: "d/a.py", content: text, descriptor: 1}, member{name: "d/b.py", content: text, descriptor: 2}),
		"zip64":       wheelOf("zip64", member{name: "z/a.py", content: text, zip64: true}, member{name: "z/b.py", content: text, zip64: true, stored: true}),
		"extra":       wheelOf("extra", member{name: "e/a.py", content: text, extra: 700}),
		"names":       wheelOf("names", member{name: long, content: text}, member{name: "ünïcode/ñ.py", content: text}, member{name: `q/"quoted".py`, content: text}),
		"order":       wheelOf("order", member{name: "z/z.py", content: text}, member{name: "a/b/c.py", content: text}, member{name: "a/a.py", content: text}, member{name: "a-b.py", content: text}),
		"large":       wheelOf("large", member{name: "l/deflated.bin", content: bytes.Repeat(noise(100_000), 120)}, member{name: "l/stored.bin", content: noise(9 << 20), stored: true}, member{name: "l/z.py", content: text}),
		"commands": wheelOf("commands", member{name: "commands/__init__.py", content: text},
			member{name: "commands-1.0.dist-info/entry_points.txt", content: []byte("[console_scripts]\nrun = commands:main\n")},
			member{name: "commands-1.0.data/scripts/old", content: []byte("#!python\nprint(1)\n")}),
	}
}

func layerOf(t testing.TB, name string, raw []byte) *Layer {
	t.Helper()
	in, err := promised(t, name, raw)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	l, err := FromWheels([]*wheel.Installed{in}, "app/.venv", t.TempDir())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return l
}

// The digests of layers made of wheels must never change: users' caches and the
// promise that one commit gives one digest depend on it.
func TestGoldenWheels(t *testing.T) {
	raw, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := generated()
	for line := range strings.Lines(string(raw)) {
		name, want, _ := strings.Cut(strings.TrimSpace(line), ": ")
		l := layerOf(t, name, all[name])
		if got := l.digest.Hex + " " + l.diffID.Hex; got != want {
			t.Errorf("%s: %s; want %s: the layout of layers changed", name, got, want)
		}
		delete(all, name)
	}
	for name, raw := range all {
		l := layerOf(t, name, raw)
		t.Errorf("not pinned: %s: %s %s", name, l.digest.Hex, l.diffID.Hex)
	}
}

// Every layer is a valid layer, twice the same, and a valid eStargz: each chunk
// is verified with the reference's own reader.
func TestWheelLayersAreValid(t *testing.T) {
	for name, raw := range generated() {
		l := layerOf(t, name, raw)
		if err := validate.Layer(l); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := lazily(l); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if again := layerOf(t, name, raw); again.digest != l.digest {
			t.Errorf("%s: a second time it is another layer", name)
		}
	}
	entries, err := FromEntries(sample(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := lazily(entries); err != nil {
		t.Error(err)
	}
}

// From wherever a layer is read, it is the same: uploads go on where they broke.
func TestSkip(t *testing.T) {
	l := layerOf(t, "large", generated()["large"])
	r, err := l.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 1, 17, 5000, len(all) / 2, len(all) - 1, len(all)} {
		r, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.(interface{ Skip(int64) error }).Skip(int64(at)); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, all[at:]) {
			t.Errorf("from byte %d: %v", at, err)
		}
	}
}

// lazily reads every file of a layer as lazy pulling does.
func lazily(l *Layer) error {
	r, err := l.Compressed()
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	d, _ := l.Descriptor()
	open, err := estargz.Open(io.NewSectionReader(bytes.NewReader(raw), 0, int64(len(raw))))
	if err != nil {
		return fmt.Errorf("opening it as eStargz: %w", err)
	}
	verifier, err := open.VerifyTOC(digest.Digest(d.Annotations[estargz.TOCJSONDigestAnnotation]))
	if err != nil {
		return fmt.Errorf("verifying the table of contents: %w", err)
	}
	if d.Annotations[estargz.StoreUncompressedSizeAnnotation] != fmt.Sprint(l.plain) {
		return fmt.Errorf("annotations: %v; want %d bytes", d.Annotations, l.plain)
	}
	root, ok := open.Lookup("")
	if !ok {
		return fmt.Errorf("no root")
	}
	files := 0
	var walk func(path string, e *estargz.TOCEntry) error
	walk = func(path string, e *estargz.TOCEntry) (err error) {
		e.ForeachChild(func(name string, child *estargz.TOCEntry) bool {
			err = walk(path+"/"+name, child)
			return err == nil
		})
		if err != nil || e.Type != "reg" || e.Size == 0 {
			return err
		}
		files++
		chunk, ok := open.ChunkEntryForOffset(e.Name, 0)
		if !ok {
			return fmt.Errorf("%s: no chunk", path)
		}
		v, err := verifier.Verifier(chunk)
		if err != nil {
			return err
		}
		f, err := open.OpenFile(e.Name)
		if err != nil {
			return err
		}
		if n, err := io.Copy(v, f); err != nil || n != e.Size || !v.Verified() {
			return fmt.Errorf("%s: %d of %d bytes, verified: %v (%v)", path, n, e.Size, v.Verified(), err)
		}
		return nil
	}
	if err := walk("", root); err != nil {
		return err
	}
	if files == 0 {
		return fmt.Errorf("nothing was verified")
	}
	return nil
}

// What Install says of a wheel and what Promise says are the same.
func TestPromiseIsInstall(t *testing.T) {
	for name, raw := range generated() {
		lazy, err := promised(t, name, raw)
		if err != nil {
			t.Fatal(err)
		}
		full, err := wheel.Install(bytes.NewReader(raw), int64(len(raw)), name+"-1.0-py3-none-any.whl", wheel.Scheme{Prefix: "/app/.venv", Python: [2]int{3, 11}})
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range full.Files {
			if g := lazy.Files[i]; g.Path != f.Path || g.SHA256 != f.SHA256 || g.Size != f.Size || g.Mode != f.Mode {
				t.Errorf("%s: %+v; want %+v", name, g, f)
			}
		}
	}
}

// What a wheel promises and does not hold is refused when its layer is made.
func TestBrokenPromises(t *testing.T) {
	text := []byte(strings.Repeat("broken ", 500))
	var enc frozen.Encoder
	packed := enc.Append(nil, text)
	big := bytes.Repeat(noise(50_000), 200)
	for name, m := range map[string]member{
		"checksum":                {content: text, crc: 1},
		"checksum, stored":        {content: text, crc: 1, stored: true},
		"checksum, large":         {content: big, crc: 1},
		"shorter":                 {content: text, size: len(text) + 1},
		"longer":                  {content: text, size: len(text) - 1},
		"longer, large":           {content: big, size: len(big) - 1},
		"shorter, large":          {content: big, size: len(big) + 1},
		"slack":                   {content: text, slack: []byte("x")},
		"slack, large":            {content: big, slack: []byte("x")},
		"a second stream":         {content: text, slack: packed},
		"cut":                     {content: text, packed: packed[:len(packed)-3]},
		"no deflate":              {content: text, packed: []byte{7, 7, 7, 7}},
		"another content":         {content: bytes.ToUpper(text), promise: text},
		"another content, stored": {content: bytes.ToUpper(text), promise: text, stored: true},
		"another content, large":  {content: big, promise: text},
		"no content":              {content: []byte{}, promise: text},
	} {
		t.Run(name, func(t *testing.T) {
			m.name = "broken/a.py"
			in, err := promised(t, "broken", wheelOf("broken", m))
			if err == nil {
				_, err = FromWheels([]*wheel.Installed{in}, "app/.venv", t.TempDir())
			}
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), `"broken/a.py"`) || !strings.Contains(err.Error(), "broken-1.0") {
				t.Errorf("%v does not name the file", err)
			}
			if failure.CodeOf(err) != failure.Answer {
				t.Errorf("%v: exit code %d", err, failure.CodeOf(err))
			}
		})
	}
}

// FuzzWheel: whatever bytes stand in a wheel, a layer that is made of it is
// valid, holds what RECORD promises, and nothing panics.
func FuzzWheel(f *testing.F) {
	for name, raw := range generated() {
		if len(raw) < 100_000 {
			f.Add(name, raw, 0, byte(0))
		}
	}
	f.Fuzz(func(t *testing.T, name string, raw []byte, at int, value byte) {
		if at < 0 || at >= len(raw) {
			t.Skip()
		}
		raw = bytes.Clone(raw)
		raw[at] ^= value
		in, err := promised(t, name, raw)
		if err != nil {
			return
		}
		l, err := FromWheels([]*wheel.Installed{in}, "app/.venv", t.TempDir())
		if err != nil {
			return
		}
		if err := validate.Layer(l); err != nil {
			t.Error(err)
		}
	})
}

// Damage anywhere in the bodies is noticed: one bit of each byte is turned.
func TestEveryByteCounts(t *testing.T) {
	text := []byte(strings.Repeat("counts ", 30))
	right := wheelOf("counts", member{name: "counts/a.py", content: text})
	want := layerOf(t, "counts", right)
	for at := range right {
		raw := bytes.Clone(right)
		raw[at] ^= 4
		in, err := promised(t, "counts", raw)
		if err != nil {
			continue
		}
		l, err := FromWheels([]*wheel.Installed{in}, "app/.venv", t.TempDir())
		if err == nil && l.diffID != want.diffID {
			// Only what is not content may differ unseen: modes, in the directory.
			if hex.EncodeToString(in.Files[0].SHA256[:]) != fmt.Sprintf("%x", sha256.Sum256(text)) && in.Files[0].Path == "lib/python3.11/site-packages/counts/a.py" {
				t.Errorf("byte %d turned: another layer, and no error", at)
			}
		}
	}
}

// A layer made of the files of another is the same as one made of the wheels.
func TestReopen(t *testing.T) {
	for name, raw := range generated() {
		in, err := promised(t, name, raw)
		if err != nil {
			t.Fatal(err)
		}
		first := layerOf(t, name, raw)
		r, err := first.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		found, err := Reopen(bytes.NewReader(all), int64(len(all)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range in.Files {
			in.Files[i].Open = nil
			in.Files[i].Raw = found["app/.venv/"+in.Files[i].Path]
		}
		again, err := FromWheels([]*wheel.Installed{in}, "app/.venv", t.TempDir())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again.digest != first.digest {
			t.Errorf("%s: from its own files it is another layer", name)
		}
	}
	for _, bad := range [][]byte{nil, []byte("x"), make([]byte, 600), footer(0), footer(1 << 40)} {
		if _, err := Reopen(bytes.NewReader(bad), int64(len(bad))); err == nil {
			t.Errorf("%d bytes were taken for a layer", len(bad))
		}
	}
}
