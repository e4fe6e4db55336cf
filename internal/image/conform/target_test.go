//go:build conformance

package conform

import (
	"fmt"
	"os"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/image/base/basetest"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// target is what images are built for.
type target struct {
	python [3]int
	libc   string // glibc or musl
	minor  int    // of the C library: 2.36, 1.2
	arch   string // amd64 or arm64
}

// targets is every combination; the C library's version goes with the Python.
func targets() []target {
	var out []target
	for _, py := range []struct {
		version [3]int
		glibc   int
	}{{[3]int{3, 10, 19}, 31}, {[3]int{3, 11, 14}, 36}, {[3]int{3, 12, 12}, 28}, {[3]int{3, 13, 9}, 40}} {
		for _, arch := range []string{"amd64", "arm64"} {
			out = append(out, target{py.version, "glibc", py.glibc, arch}, target{py.version, "musl", 2, arch})
		}
	}
	return out
}

// some are four targets for the i-th project: every Python, and every kind of
// machine. Four projects see all sixteen. FAIRLEAD_CONFORMANCE_TARGETS=all takes
// all for each.
func some(i int) []target {
	all := targets()
	if os.Getenv("FAIRLEAD_CONFORMANCE_TARGETS") == "all" {
		return all
	}
	var out []target
	for python := range 4 {
		out = append(out, all[python*4+(python+i)%4])
	}
	return out
}

func (t target) machine() string {
	return map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[t.arch]
}

func (t target) full() string { return fmt.Sprintf("%d.%d.%d", t.python[0], t.python[1], t.python[2]) }

func (t target) String() string {
	if t.libc == "musl" {
		return fmt.Sprintf("%d.%d %s musl 1.%d", t.python[0], t.python[1], t.arch, t.minor)
	}
	return fmt.Sprintf("%d.%d %s glibc 2.%d", t.python[0], t.python[1], t.arch, t.minor)
}

// uv is the target as uv's --python-platform names it.
func (t target) uv() string {
	if t.libc == "musl" {
		return t.machine() + "-unknown-linux-musl"
	}
	return fmt.Sprintf("%s-manylinux_2_%d", t.machine(), t.minor)
}

// pip is the target as pip's --platform options, best first: pip expands none
// of the newer names, so each is named.
func (t target) pip() []string {
	var out []string
	if t.libc == "musl" {
		for m := t.minor; m >= 0; m-- {
			out = append(out, fmt.Sprintf("musllinux_1_%d_%s", m, t.machine()))
		}
		return append(out, "linux_"+t.machine())
	}
	oldest := map[string]int{"amd64": 5, "arm64": 17}[t.arch]
	alias := map[int]string{17: "manylinux2014_", 12: "manylinux2010_", 5: "manylinux1_"}
	for m := t.minor; m >= oldest; m-- {
		out = append(out, fmt.Sprintf("manylinux_2_%d_%s", m, t.machine()))
		if a := alias[m]; a != "" {
			out = append(out, a+t.machine())
		}
	}
	return append(out, "linux_"+t.machine())
}

// environment is what markers see on the target.
func (t target) environment() map[string]string {
	return map[string]string{
		"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": t.machine(),
		"platform_release": "", "platform_version": "", "implementation_name": "cpython", "platform_python_implementation": "CPython",
		"python_version": fmt.Sprintf("%d.%d", t.python[0], t.python[1]), "python_full_version": t.full(), "implementation_version": t.full(), "extra": "",
	}
}

// base writes an OCI layout of a base that says it is the target. Nothing in it
// runs.
func (t target) base(tb testing.TB, dir string) {
	tb.Helper()
	b := basetest.Base{Python: t.full(), Arches: []string{t.arch}}
	if t.libc == "musl" {
		b.Musl = fmt.Sprintf("1.%d.5", t.minor)
	} else {
		b.Glibc = fmt.Sprintf("2.%d", t.minor)
	}
	idx, err := b.Index()
	if err != nil {
		tb.Fatal(err)
	}
	if err := oci.WriteLayout(dir, idx, ""); err != nil {
		tb.Fatal(err)
	}
}
