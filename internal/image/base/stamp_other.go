//go:build !linux

package base

import "io/fs"

// stamp changes with a file's modification time; base host is for Linux.
func stamp(info fs.FileInfo) string { return info.ModTime().String() }
