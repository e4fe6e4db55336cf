// Package tags says which wheels a target accepts, and in which order it prefers
// them (PEP 425, PEP 600, PEP 656; order as in pypa/packaging), and what markers
// see there (PEP 508).
package tags

import (
	"fmt"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// Target is a Linux machine with a CPython, as an image offers it.
type Target struct {
	Python       [2]int // major, minor
	FullVersion  string // "3.11.7"; "3.11.0" is assumed where unknown
	Arch         string // amd64 or arm64, as OCI names them
	Libc         string // glibc or musl
	LibcVersion  [2]int
	FreeThreaded bool
}

// Machine is the architecture as Python and wheels name it: x86_64 or aarch64.
func (t Target) Machine() (string, error) {
	switch t.Arch {
	case "amd64":
		return "x86_64", nil
	case "arm64":
		return "aarch64", nil
	}
	return "", fmt.Errorf("architecture %q is not supported; it is amd64 or arm64", t.Arch)
}

// String is the target for people: "linux/arm64, CPython 3.11, glibc 2.36".
func (t Target) String() string {
	return fmt.Sprintf("linux/%s, CPython %d.%d, %s %d.%d", t.Arch, t.Python[0], t.Python[1], t.Libc, t.LibcVersion[0], t.LibcVersion[1])
}

// Supported lists the tags that the target accepts, best first.
func Supported(t Target) ([]string, error) {
	machine, err := t.Machine()
	if err != nil {
		return nil, err
	}
	plats, err := platforms(t, machine)
	if err != nil {
		return nil, err
	}
	maj, min := t.Python[0], t.Python[1]
	cp := func(m int) string { return fmt.Sprintf("cp%d%d", maj, m) }
	py := func(m int) string { return fmt.Sprintf("py%d%d", maj, m) }
	abi, stable := cp(min), "abi3"
	if t.FreeThreaded {
		abi, stable = abi+"t", "abi3t"
	}
	var out []string
	add := func(interpreter, abi string) {
		for _, p := range plats {
			out = append(out, interpreter+"-"+abi+"-"+p)
		}
	}
	add(cp(min), abi)
	add(cp(min), stable)
	add(cp(min), "none")
	for m := min - 1; m >= 2; m-- {
		add(cp(m), stable)
	}
	add(py(min), "none")
	add(fmt.Sprintf("py%d", maj), "none")
	for m := min - 1; m >= 0; m-- {
		add(py(m), "none")
	}
	out = append(out, cp(min)+"-none-any", py(min)+"-none-any", fmt.Sprintf("py%d-none-any", maj))
	for m := min - 1; m >= 0; m-- {
		out = append(out, py(m)+"-none-any")
	}
	return out, nil
}

// platforms lists the platform tags, best first; bare linux comes first, as in
// packaging >= 26.3.
func platforms(t Target, machine string) ([]string, error) {
	out := []string{"linux_" + machine}
	switch t.Libc {
	case "glibc":
		if t.LibcVersion[0] != 2 {
			return nil, fmt.Errorf("glibc %d.%d is not supported", t.LibcVersion[0], t.LibcVersion[1])
		}
		oldest := 17
		if machine == "x86_64" {
			oldest = 5
		}
		alias := map[int]string{17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
		for m := t.LibcVersion[1]; m >= oldest; m-- {
			out = append(out, fmt.Sprintf("manylinux_2_%d_%s", m, machine))
			if a := alias[m]; a != "" {
				out = append(out, a+"_"+machine)
			}
		}
	case "musl":
		for m := t.LibcVersion[1]; m >= 0; m-- {
			out = append(out, fmt.Sprintf("musllinux_%d_%d_%s", t.LibcVersion[0], m, machine))
		}
	default:
		return nil, fmt.Errorf("the C library %q is not supported; it is glibc or musl", t.Libc)
	}
	return out, nil
}

// Index maps a tag to its preference, 0 being the best.
func Index(supported []string) map[string]int {
	m := make(map[string]int, len(supported))
	for i, t := range supported {
		if _, ok := m[t]; !ok {
			m[t] = i
		}
	}
	return m
}

// MarkerEnv is what environment markers see on the target. platform_release and
// platform_version are not in it: nobody knows the kernel that an image will
// run on, so a marker that reads them is an error.
func (t Target) MarkerEnv() requirement.Env {
	machine, err := t.Machine()
	if err != nil {
		machine = t.Arch
	}
	full := t.FullVersion
	if full == "" {
		full = fmt.Sprintf("%d.%d.0", t.Python[0], t.Python[1])
	}
	return requirement.Env{Vars: map[string]string{
		"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": machine,
		"implementation_name": "cpython", "platform_python_implementation": "CPython",
		"python_version": fmt.Sprintf("%d.%d", t.Python[0], t.Python[1]), "python_full_version": full, "implementation_version": full,
	}}
}
