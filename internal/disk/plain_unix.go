//go:build unix

package disk

import (
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ReadPlain reads a regular file that is not empty, of at most so many bytes. For
// anything else, a symbolic link too, the error is ErrNotPlain. The folders of
// its path may not be links either, for which the caller sees.
//
// os.Open asks the kernel nine times about a file, for the sake of pipes and
// terminals; a check reads thousands.
func (f FS) ReadPlain(name string, most int64) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, ErrNotPlain
	}
	fd, err := again(func() (int, error) {
		return unix.Open(filepath.Join(f.root, name), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	})
	if err != nil {
		return nil, ErrNotPlain
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size == 0 || st.Size > most {
		return nil, ErrNotPlain
	}
	buf := make([]byte, st.Size)
	for done := 0; done < len(buf); {
		n, err := again(func() (int, error) { return unix.Read(fd, buf[done:]) })
		if err != nil || n == 0 { // it has shrunk, or cannot be read
			return nil, ErrNotPlain
		}
		done += n
	}
	return buf, nil
}

// again repeats a call that a signal has interrupted.
func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
