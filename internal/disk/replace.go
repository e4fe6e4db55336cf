package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace makes a file, or replaces one, complete or not at all: write fills a
// temporary file beside it, which takes its name when it is whole and on the
// disk. After any error the old file is as it was and the temporary one is gone.
// A mode of 0 means its owner's alone (0600). A name that stands for something
// else than a regular file, such as a device, is refused.
func Replace(name string, mode fs.FileMode, write func(io.Writer) error) error {
	return replace(name, mode, true, write)
}

// Put is Replace for what can be made anew, such as a file of a cache: it does
// not wait for the disk, so that a machine that loses its power may lose the file.
func Put(name string, mode fs.FileMode, write func(io.Writer) error) error {
	return replace(name, mode, false, write)
}

func replace(name string, mode fs.FileMode, wait bool, write func(io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %q: %w", name, err)
		}
	}()
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is there and is no regular file")
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".fairlead-*")
	if err != nil {
		return cause(err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // after a rename there is none
	err = write(temporary{tmp})
	if err == nil && mode != 0 {
		err = cause(tmp.Chmod(mode.Perm()))
	}
	if err == nil && wait {
		err = cause(tmp.Sync())
	}
	if closing := cause(tmp.Close()); err == nil {
		err = closing
	}
	if err == nil {
		err = cause(os.Rename(tmp.Name(), name))
	}
	return err
}

// temporary is a file whose errors do not name it: its name says nothing to a
// person.
type temporary struct{ f *os.File }

func (t temporary) Write(p []byte) (int, error) {
	n, err := t.f.Write(p)
	return n, cause(err)
}

// ReadFrom lets the kernel copy one file to another.
func (t temporary) ReadFrom(r io.Reader) (int64, error) {
	n, err := t.f.ReadFrom(r)
	if path, ok := err.(*fs.PathError); ok && path.Path != t.f.Name() {
		return n, err // the reader's
	}
	return n, cause(err)
}

// cause is an error without the path that it is about.
func cause(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	}
	return err
}

// Bytes is what writes some bytes.
func Bytes(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// From is what writes all that r holds.
func From(r io.Reader) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	}
}
