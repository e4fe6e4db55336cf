package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image/base/basetest"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

// scriptCommands are what scripts can use beside the binary.
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){"base": makeBase, "wheel": makeWheel, "registry": startRegistry}
}

// makeBase writes a base image as an OCI layout: base FOLDER PYTHON glibc|musl
// VERSION [ARCH…].
func makeBase(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: base folder python glibc|musl version [arch...]")
	}
	b := basetest.Base{Python: args[1], Arches: args[4:]}
	if len(b.Arches) == 0 {
		b.Arches = nil
	}
	if args[2] == "musl" {
		b.Musl = args[3]
	} else {
		b.Glibc = args[3]
	}
	idx, err := b.Index()
	ts.Check(err)
	ts.Check(oci.WriteLayout(ts.MkAbs(args[0]), idx, ""))
}

// startRegistry runs an empty registry and puts its address into REGISTRY:
// registry [METHOD STATUS] answers requests with that method so.
func startRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 && len(args) != 2 {
		ts.Fatalf("usage: registry [method status]")
	}
	ctx, cancel := context.WithCancel(context.Background())
	ts.Defer(cancel)
	reg, err := registry.Start(ctx, registry.Options{Strict: true})
	ts.Check(err)
	if len(args) == 2 {
		status, err := strconv.Atoi(args[1])
		ts.Check(err)
		reg.Fail(registry.Fault{Method: args[0], Status: status})
	}
	ts.Setenv("REGISTRY", reg.Addr)
}

// makeWheel writes a wheel with one module and locks it: wheel FOLDER NAME
// VERSION TAG LOCK. The wheel has a command of its name.
func makeWheel(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: wheel folder name version tag lock")
	}
	module := strings.ReplaceAll(args[1], "-", "_")
	w := wheeltest.Wheel{Name: args[1], Version: args[2], Tag: args[3], WheelTag: args[3], Files: map[string]string{module + ".py": "def main(): pass\n"},
		EntryPoints: "[console_scripts]\n" + args[1] + " = " + module + ":main\n"}
	raw := w.Build()
	ts.Check(os.MkdirAll(ts.MkAbs(args[0]), 0o755))
	ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), w.Filename()), raw, 0o644))
	sum := sha256.Sum256(raw)
	f, err := os.OpenFile(ts.MkAbs(args[4]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	ts.Check(err)
	_, err = f.WriteString(args[1] + "==" + args[2] + " --hash=sha256:" + hex.EncodeToString(sum[:]) + "\n")
	ts.Check(err)
	ts.Check(f.Close())
}
