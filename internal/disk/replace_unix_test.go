//go:build unix

package disk_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/disk"
)

// TestReplaceFull: where the disk takes no more, the old file stays. The disk is
// full after 64 KiB in a process of its own, by its limit on the size of files.
func TestReplaceFull(t *testing.T) {
	const in = "FAIRLEAD_TEST_FULL"
	if file := os.Getenv(in); file != "" {
		signal.Ignore(syscall.SIGXFSZ)
		most := syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &most); err != nil {
			t.Fatal(err)
		}
		for name, replace := range ways() {
			err := replace(file, 0o644, disk.Bytes(bytes.Repeat([]byte("new"), 64<<10)))
			if !errors.Is(err, syscall.EFBIG) {
				t.Errorf("%s: %v", name, err)
			}
			holds(t, file, "old")
		}
		return
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestReplaceFull$", "-test.v")
	cmd.Env = append(os.Environ(), in+"="+file)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestReplaceFull")) {
		t.Errorf("%v\n%s", err, out)
	}
	holds(t, file, "old")
}

// TestReplaceDevice: what is there and no regular file, such as a device, stays.
func TestReplaceDevice(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, replace := range ways() {
		if err := replace(file, 0, disk.Bytes([]byte("new"))); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
			t.Errorf("after %s it is %v, %v", name, info.Mode(), err)
		}
		alone(t, file)
	}
}
