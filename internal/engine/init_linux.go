package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// initName is what our own binary is called as when it is a container's first process.
const initName = "fairlead-container-init"

// initSpec is what the first process is told, on file descriptor 3.
type initSpec struct {
	Root     string
	ReadOnly bool
	Args     []string
	Env      []string
	Dir      string
	UID, GID int
	Probe    bool // prepare everything, run nothing
}

// InitMain takes over when this process was started as a container's init. The
// program's main, and a test's, call it first.
func InitMain(args []string) bool {
	if len(args) == 0 || args[0] != initName {
		return false
	}
	// The main thread stays ours: name spaces and no_new_privs belong to threads.
	runtime.LockOSThread()
	code, err := initialize()
	if err != nil {
		fmt.Fprintf(os.Stderr, "fairlead: preparing the container: %v\n", err)
		code = 125
	}
	os.Exit(code)
	return true
}

func initialize() (int, error) {
	f := os.NewFile(3, "spec")
	var s initSpec
	if err := json.NewDecoder(f).Decode(&s); err != nil {
		return 0, err
	}
	_ = f.Close()
	if err := enter(s); err != nil {
		return 0, err
	}
	if s.Probe {
		return 0, nil
	}
	return supervise(s)
}

// enter makes the image's files the root, with the few mounts a program expects.
func enter(s initSpec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount(s.Root, s.Root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting the root: %w", err)
	}
	for _, d := range []string{"proc", "dev", "tmp"} {
		if err := os.MkdirAll(filepath.Join(s.Root, d), 0o755); err != nil {
			return err
		}
	}
	proc := filepath.Join(s.Root, "proc")
	if err := unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		// Some sandboxes allow no new proc; the outer one is better than none.
		if err := unix.Mount("/proc", proc, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("mounting /proc: %w", err)
		}
	}
	if err := devices(filepath.Join(s.Root, "dev")); err != nil {
		return err
	}
	if s.ReadOnly {
		if err := unix.Mount("tmpfs", filepath.Join(s.Root, "tmp"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
			return fmt.Errorf("mounting /tmp: %w", err)
		}
		var st unix.Statfs_t
		if err := unix.Statfs(s.Root, &st); err != nil {
			return err
		}
		keep := uintptr(st.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_RELATIME)
		if err := unix.Mount("", s.Root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|keep, ""); err != nil {
			return fmt.Errorf("making the root read-only: %w", err)
		}
	}
	_ = unix.Sethostname([]byte("fairlead"))
	loopbackUp()
	if err := os.Chdir(s.Root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err == nil {
		if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
			return fmt.Errorf("leaving the old root: %w", err)
		}
	} else if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	return os.Chdir("/")
}

// devices mounts a small /dev.
func devices(dev string) error {
	if err := unix.Mount("tmpfs", dev, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755"); err != nil {
		return fmt.Errorf("mounting /dev: %w", err)
	}
	for _, n := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		at := filepath.Join(dev, n)
		if err := os.WriteFile(at, nil, 0o666); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+n, at, "", unix.MS_BIND, ""); err != nil && n != "tty" {
			return fmt.Errorf("mounting /dev/%s: %w", n, err)
		}
	}
	for link, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, filepath.Join(dev, link)); err != nil {
			return err
		}
	}
	shm := filepath.Join(dev, "shm")
	if err := os.Mkdir(shm, 0o755); err != nil {
		return err
	}
	return unix.Mount("tmpfs", shm, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777")
}

// loopbackUp switches the loopback interface of a fresh network on; in the
// host's network it is on already and the request fails, which is fine.
func loopbackUp() {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var req struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(req.name[:], "lo")
	req.flags = unix.IFF_UP | unix.IFF_RUNNING
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&req)))
}

// supervise runs the program as its user and is its init: it passes signals on,
// reaps what is orphaned, and ends with the program's code.
func supervise(s initSpec) (int, error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	path, err := find(s)
	if err != nil {
		fmt.Fprintf(os.Stderr, "fairlead: %v\n", err)
		return 127, nil
	}
	if s.Dir == "" {
		s.Dir = "/"
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if mapped() {
		// One user exists in here: ourselves, called root. A second user name
		// space shows the program the number that the image wants.
		if s.UID != 0 || s.GID != 0 {
			attr.Cloneflags = syscall.CLONE_NEWUSER
			attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: s.UID, HostID: 0, Size: 1}}
			attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: s.GID, HostID: 0, Size: 1}}
		}
	} else {
		attr.Credential = &syscall.Credential{Uid: uint32(s.UID), Gid: uint32(s.GID)}
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	pid, err := syscall.ForkExec(path, s.Args, &syscall.ProcAttr{Dir: s.Dir, Env: s.Env, Files: []uintptr{0, 1, 2}, Sys: attr})
	if err != nil {
		fmt.Fprintf(os.Stderr, "fairlead: running %s: %v\n", path, err)
		return 126, nil
	}
	go func() {
		for sig := range signals {
			_ = syscall.Kill(pid, sig.(syscall.Signal))
		}
	}()
	for {
		var ws syscall.WaitStatus
		got, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, err
		case got == pid && ws.Exited():
			return ws.ExitStatus(), nil
		case got == pid && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		}
	}
}

// mapped says whether this user name space knows one user only.
func mapped() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	var inside, outside, size uint32
	_, scanErr := fmt.Sscan(string(data), &inside, &outside, &size)
	return err == nil && scanErr == nil && size == 1
}

// find looks the program up in the container's own PATH.
func find(s initSpec) (string, error) {
	for _, kv := range s.Env {
		if len(kv) > 5 && kv[:5] == "PATH=" {
			_ = os.Setenv("PATH", kv[5:])
		}
	}
	path, err := exec.LookPath(s.Args[0])
	if err != nil {
		return "", fmt.Errorf("%q is not in the image", s.Args[0])
	}
	return path, nil
}
