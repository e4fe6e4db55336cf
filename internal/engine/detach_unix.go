//go:build unix

package engine

import (
	"os/exec"
	"syscall"
)

// detach gives a client a process group of its own.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
