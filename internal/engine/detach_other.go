//go:build !unix

package engine

import "os/exec"

// detach is for Unix: elsewhere Ctrl-C reaches clients of ours, too.
func detach(*exec.Cmd) {}
