package main

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

var scheme = wheel.Scheme{Prefix: "/app/.venv", Python: [2]int{3, 11}}

func open(file string, read func(io.ReaderAt, int64, string, wheel.Scheme) (*wheel.Installed, error)) (*wheel.Installed, *os.File, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	in, err := read(f, info.Size(), filepath.Base(file), scheme)
	return in, f, err
}

// splice is Fairlead's way.
func splice(file string, c *cost) error {
	in, f, err := open(file, wheel.Promise)
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := layer.FromWheels([]*wheel.Installed{in}, "app/.venv", os.TempDir())
	if err != nil {
		return err
	}
	size, err := l.Size()
	if err != nil {
		return err
	}
	d, err := l.Descriptor()
	if err != nil {
		return err
	}
	c.OutMB += float64(size) / 1e6
	plain, err := strconv.ParseFloat(d.Annotations["io.containers.estargz.uncompressed-size"], 64)
	c.PlainMB += plain / 1e6
	return err
}

// tarballs is go-containerregistry's: the wheel's files as a tar, which
// tarball.LayerFromOpener compresses and hashes.
func tarballs(file string, c *cost) error {
	in, f, err := open(file, wheel.Promise) // RECORD's digests are not even held
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(write(w, in)) }()
		return r, nil
	}, tarball.WithCompressedCaching)
	if err != nil {
		return err
	}
	size, err := l.Size()
	if err != nil {
		return err
	}
	if _, err := l.DiffID(); err != nil {
		return err
	}
	for _, file := range in.Files {
		c.PlainMB += float64(512+(file.Size+511)/512*512) / 1e6
	}
	c.OutMB += float64(size) / 1e6
	return nil
}

func write(w io.Writer, in *wheel.Installed) error {
	t := tar.NewWriter(w)
	for _, f := range in.Files {
		if err := t.WriteHeader(&tar.Header{Name: "app/.venv/" + f.Path, Mode: int64(f.Mode.Perm()), Size: f.Size, Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		if _, err := io.Copy(t, r); err != nil {
			return err
		}
		if err := r.Close(); err != nil {
			return err
		}
	}
	return t.Close()
}
