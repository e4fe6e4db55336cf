package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// generate writes wheels of so many megabytes of content in all, half of it
// text-like, half like compiled code: files of 20 kB, or so many files a wheel if
// files is not 0, and one large one a wheel.
func generate(folder string, wheels, megabytes, files int) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(1, uint64(wheels)))
	each := megabytes * 1_000_000 / wheels
	for i := range wheels {
		if err := generateOne(folder, fmt.Sprintf("gen%d", i), each, files, r); err != nil {
			return err
		}
	}
	return nil
}

func generateOne(folder, name string, size, files int, r *rand.Rand) error {
	f, err := os.Create(filepath.Join(folder, name+"-1.0-py3-none-any.whl"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	z := zip.NewWriter(f)
	var record strings.Builder
	add := func(path string, content []byte) error {
		w, err := z.Create(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", path, base64.RawURLEncoding.EncodeToString(sum[:]), len(content))
		_, err = w.Write(content)
		return err
	}
	small := 20_000
	if files > 0 {
		small = max(1, size/2/files)
	}
	for at := 0; at < size/2; at += small {
		if err := add(fmt.Sprintf("%s/m%d.py", name, at), words(r, min(small, size/2-at))); err != nil {
			return err
		}
	}
	if err := add(name+"/lib.so", code(r, size/2)); err != nil {
		return err
	}
	info := name + "-1.0.dist-info/"
	if err := add(info+"METADATA", []byte("Metadata-Version: 2.1\nName: "+name+"\nVersion: 1.0\n")); err != nil {
		return err
	}
	if err := add(info+"WHEEL", []byte("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")); err != nil {
		return err
	}
	if err := add(info+"RECORD", []byte(record.String())); err != nil {
		return err
	}
	return z.Close()
}

func words(r *rand.Rand, n int) []byte {
	out := make([]byte, 0, n+20)
	for len(out) < n {
		out = fmt.Appendf(out, "def f%d(x):\n    return x.a%d\n", r.IntN(1000), r.IntN(50))
	}
	return out[:n]
}

// code is bytes of uneven frequency, as machine code has them.
func code(r *rand.Rand, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		if v := r.Uint32(); v&3 == 0 {
			out[i] = byte(v >> 8)
		} else {
			out[i] = byte(v>>8) & 15
		}
	}
	return out
}
