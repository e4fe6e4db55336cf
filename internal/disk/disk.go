// Package disk is a folder of this machine as a file system to read: os.DirFS,
// with a way to read many small files in few system calls; and how a file is
// replaced in one step.
package disk

import (
	"errors"
	"io/fs"
	"os"
)

// ErrNotPlain says that ReadPlain leaves a file to Open.
var ErrNotPlain = errors.New("no plain file")

// FS is a folder.
type FS struct {
	dirFS
	root string
}

// dirFS is what os.DirFS promises.
type dirFS interface {
	fs.StatFS
	fs.ReadFileFS
	fs.ReadDirFS
	fs.ReadLinkFS
}

// New opens nothing yet; a folder that is not there shows when it is read.
func New(root string) fs.FS {
	fsys := os.DirFS(root)
	if d, ok := fsys.(dirFS); ok {
		return FS{d, root}
	}
	return fsys
}
