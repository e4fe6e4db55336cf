package pin

import (
	"bytes"
	"errors"
	"io"
	"io/fs"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

// read reads a file within the limits; what cannot be read becomes a finding.
func (c *checker) read(name string) ([]byte, *finding.Lines, bool) {
	data, err := c.bytes(name)
	if err != nil {
		c.say(fileUnreadable(), place{path: name}, unreadable(err))
		return nil, nil, false
	}
	lines := finding.NewLines(data)
	if !wide(data) {
		c.lines[name] = lines
	}
	return data, lines, true
}

func (c *checker) bytes(name string) ([]byte, error) {
	f, err := c.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var data []byte
	if r, ok := f.(*reader); ok {
		data = r.data
	} else {
		data, err = io.ReadAll(io.LimitReader(f, c.cfg.MaxFileSize+1))
	}
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > c.cfg.MaxFileSize:
		return nil, errTooLarge
	case binary(data):
		return nil, errBinary
	}
	if !c.seen[name] {
		c.seen[name] = true
		c.ignores = append(c.ignores, ignoresIn(name, data)...)
	}
	return data, nil
}

var (
	errTooLarge = errors.New("it is too large to be what its name says")
	errBinary   = errors.New("it is binary, not text")
)

// binary says whether data is no text: it has a NUL near its beginning and does
// not say to be UTF-16 or UTF-32.
func binary(data []byte) bool {
	return !wide(data) && !bytes.HasPrefix(data, []byte{0, 0, 0xfe, 0xff}) && bytes.IndexByte(data[:min(len(data), 8000)], 0) >= 0
}

// wide says whether data says to be UTF-16 or little-endian UTF-32.
func wide(data []byte) bool {
	return bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff})
}

// reason is an error without the path, which the finding has.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func unreadable(err error) complaint {
	return complaint{message: "it cannot be read: " + reason(err).Error(), hint: "pin-check reads regular text files of the checked folder; repair the file, or add it to the ignored paths"}
}
