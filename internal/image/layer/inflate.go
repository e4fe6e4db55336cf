package layer

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
)

// errSlack refuses bytes after the end of a deflate stream: in a gzip member
// they would shift the trailer.
var errSlack = errors.New("bytes follow the end of its deflate stream")

// inflater inflates streams one after the other.
type inflater struct {
	in bytes.Reader
	z  io.ReadCloser
}

// all inflates a whole stream that must fill content exactly.
func (f *inflater) all(content, packed []byte) error {
	f.in.Reset(packed)
	if err := f.reset(&f.in); err != nil {
		return err
	}
	if _, err := io.ReadFull(f.z, content); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errSize
		}
		return err
	}
	if err := atEnd(f.z); err != nil {
		return err
	}
	if f.in.Len() > 0 {
		return errSlack
	}
	return nil
}

func (f *inflater) reset(r io.Reader) error {
	if f.z == nil {
		f.z = flate.NewReader(r)
		return nil
	}
	if again, ok := f.z.(flate.Resetter); ok {
		return again.Reset(r, nil)
	}
	f.z = flate.NewReader(r)
	return nil
}

// atEnd says that nothing more comes.
func atEnd(r io.Reader) error {
	var one [1]byte
	for {
		n, err := r.Read(one[:])
		switch {
		case n > 0:
			return errSize
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
