package frozen

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	kflate "github.com/klauspost/compress/flate"
)

// random bytes that are the same everywhere, of so many different values.
func random(n, values int) []byte {
	out := make([]byte, n)
	s := uint32(1)
	for i := range out {
		s = s*1664525 + 1013904223
		out[i] = byte(int(s>>16) % values)
	}
	return out
}

func samples(t testing.TB) map[string][]byte {
	source, err := os.ReadFile("testdata/sample.txt")
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"empty":          nil,
		"one":            []byte("x"),
		"zeros":          make([]byte, 300_000),
		"text":           source,
		"text, repeated": bytes.Repeat(source, 40),
		"noise":          random(200_000, 256),
		"letters":        random(200_000, 20),
		"two values":     random(70_000, 2),
		"far":            append(append(random(windowLen, 256), 'x'), random(windowLen, 256)...),
		"a block":        random(blockLen, 30),
		"a block and 1":  random(blockLen+1, 30),
		"header":         append([]byte("app/.venv/lib/python3.11/site-packages/x.py"), make([]byte, 469)...),
	}
}

func TestRoundTrip(t *testing.T) {
	var e Encoder
	for name, in := range samples(t) {
		out := e.Append([]byte("before"), in)[6:]
		for decoder, open := range map[string]func(io.Reader) io.ReadCloser{"compress/flate": flate.NewReader, "klauspost": kflate.NewReader} {
			r := bytes.NewReader(out)
			got, err := io.ReadAll(open(r))
			if err != nil || !bytes.Equal(got, in) {
				t.Errorf("%s: %s: %v, %d bytes; want %d", name, decoder, err, len(got), len(in))
			}
			if r.Len() > 0 {
				t.Errorf("%s: %s: %d bytes too many", name, decoder, r.Len())
			}
		}
		for kind, r := range map[string]io.Reader{"whole": bytes.NewReader(in), "bytes": iotest.OneByteReader(bytes.NewReader(in)), "halves": iotest.HalfReader(bytes.NewReader(in))} {
			var b bytes.Buffer
			n, err := e.Copy(&b, r)
			if err != nil || n != int64(len(in)) || !bytes.Equal(b.Bytes(), out) {
				t.Errorf("%s: read in %s it becomes other bytes (%d of %d, %v)", name, kind, n, len(in), err)
			}
		}
	}
}

func TestGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	var e Encoder
	all := samples(t)
	for line := range strings.Lines(string(raw)) {
		name, want, _ := strings.Cut(strings.TrimSpace(line), ": ")
		sum := sha256.Sum256(e.Append(nil, all[name]))
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s: %s; want %s: this changes every layer, see the package's comment", name, got, want)
		}
		delete(all, name)
	}
	for name := range all {
		sum := sha256.Sum256(e.Append(nil, all[name]))
		t.Errorf("not pinned: %s: %x", name, sum)
	}
}

// Output must not depend on what was encoded before, nor when positions start over.
func TestNoMemory(t *testing.T) {
	text := samples(t)["text, repeated"]
	var fresh Encoder
	want := fresh.Append(nil, text)
	var used Encoder
	used.Append(nil, text)
	used.Append(nil, random(100_000, 9))
	if !bytes.Equal(used.Append(nil, text), want) {
		t.Error("the stream before changes what comes out")
	}
	used.m.next = maxStart + 1
	if !bytes.Equal(used.Append(nil, text), want) {
		t.Error("starting over changes what comes out")
	}
}

func TestSizes(t *testing.T) {
	var e Encoder
	all := samples(t)
	for name, most := range map[string]int{"zeros": 500, "noise": 200_040, "header": 80, "text, repeated": 6000} {
		if n := len(e.Append(nil, all[name])); n > most {
			t.Errorf("%s: %d bytes; want at most %d", name, n, most)
		}
	}
	var std bytes.Buffer
	w, _ := flate.NewWriter(&std, 6)
	_, _ = w.Write(all["text"])
	_ = w.Close()
	if n := len(e.Append(nil, all["text"])); n > std.Len()*105/100 {
		t.Errorf("text: %d bytes; compress/flate makes %d", n, std.Len())
	}
}

func TestReadErrorsAreToldOf(t *testing.T) {
	var e Encoder
	if _, err := e.Copy(io.Discard, iotest.TimeoutReader(bytes.NewReader(random(200_000, 9)))); err == nil {
		t.Error("a broken source went unnoticed")
	}
	if _, err := e.Copy(full{}, bytes.NewReader(random(200_000, 9))); err == nil {
		t.Error("a full disk went unnoticed")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// Deep codes: weights that grow like Fibonacci's numbers need flattening.
func TestLengthsStayWithinTheLimit(t *testing.T) {
	freq := make([]uint32, 40)
	a, b := uint32(1), uint32(1)
	for i := range freq {
		freq[i] = a
		a, b = b, a+b
	}
	for _, limit := range []int{7, 15} {
		out := make([]uint8, len(freq))
		lengths(freq, limit, out)
		kraft := 0
		for _, l := range out {
			if l == 0 || int(l) > limit {
				t.Fatalf("length %d with limit %d", l, limit)
			}
			kraft += 1 << (limit - int(l))
		}
		if kraft != 1<<limit {
			t.Errorf("limit %d: the code is not complete: %d of %d", limit, kraft, 1<<limit)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, in := range samples(f) {
		if len(in) < 100_000 {
			f.Add(in, 1)
		}
	}
	f.Add([]byte("abcdabcd"), 20_000)
	var e Encoder
	f.Fuzz(func(t *testing.T, in []byte, times int) {
		if times < 0 || times*len(in) > 1<<20 {
			t.Skip()
		}
		in = bytes.Repeat(in, times)
		out := e.Append(nil, in)
		r := bytes.NewReader(out)
		got, err := io.ReadAll(flate.NewReader(r))
		if err != nil || !bytes.Equal(got, in) || r.Len() > 0 {
			t.Fatalf("%v, %d of %d bytes, %d left", err, len(got), len(in), r.Len())
		}
		var b bytes.Buffer
		if _, err := e.Copy(&b, bytes.NewReader(in)); err != nil || !bytes.Equal(b.Bytes(), out) {
			t.Fatalf("streamed it differs (%v)", err)
		}
	})
}

func BenchmarkText(b *testing.B) {
	in := samples(b)["text, repeated"]
	var e Encoder
	out := e.Append(nil, in)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		out = e.Append(out[:0], in)
	}
}

func BenchmarkHeader(b *testing.B) {
	in := samples(b)["header"]
	var e Encoder
	var out []byte
	for b.Loop() {
		out = e.Append(out[:0], in)
	}
}
