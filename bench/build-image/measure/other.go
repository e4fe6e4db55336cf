package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// other measures a command, with all it starts.
func other(name string, args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return err
	}
	c := cost{Way: name, Wall: time.Since(start).Seconds(), CPU: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.PeakMB = float64(u.Maxrss) / 1e3
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}
