package pin_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/pin"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

// measure runs a check again and again, which must find something.
func measure(b *testing.B, fsys fstest.MapFS, cfg pin.Config) {
	b.Helper()
	for b.Loop() {
		rep, err := pin.Check(context.Background(), fsys, cfg)
		if err != nil || len(rep.Findings) == 0 {
			b.Fatalf("%d findings, %v", len(rep.Findings), err)
		}
	}
}

// BenchmarkVerifyActionsLock compares a lock of many actions with their
// repositories.
func BenchmarkVerifyActionsLock(b *testing.B) {
	const n = 2000
	var lock, steps strings.Builder
	lock.WriteString("version: v0.0.2\nworkflows:\n  .github/workflows/ci.yml:\n")
	for i := range n {
		fmt.Fprintf(&lock, "    - acme/a%04d@v1\n", i)
		fmt.Fprintf(&steps, "      - uses: acme/a%04d@v1\n", i)
	}
	lock.WriteString("dependencies:\n")
	res := &pin.Resolution{Schema: 1, Actions: map[string]pin.ResolvedRepository{}}
	for i := range n {
		fmt.Fprintf(&lock, "  acme/a%04d@v1:\n    ref: v1\n    commit: sha1-%s\n    owner_id: 1\n    repo_id: %d\n", i, shaOld, i+1)
		res.Actions[fmt.Sprintf("acme/a%04d", i)] = pin.ResolvedRepository{Refs: pin.Refs{Default: "main", Branches: map[string]string{"main": shaOld}, Tags: map[string]string{"v1": shaNew}}}
	}
	measure(b, fstest.MapFS{".github/workflows/ci.yml": {Data: []byte(wfText(steps.String()))}, ".github/workflows/actions.lock": {Data: []byte(lock.String())}}, pin.Config{Source: res, Verify: true})
}

// BenchmarkFixRequirements writes versions and hashes into a long file.
func BenchmarkFixRequirements(b *testing.B) {
	const n = 2000
	var lines strings.Builder
	res := &pin.Resolution{Schema: 1, Packages: map[string][]pin.Release{}}
	for i := range n {
		fmt.Fprintf(&lines, "p%04d>=1\n", i)
		res.Packages[fmt.Sprintf("p%04d", i)] = []pin.Release{{Version: "1.0", Hashes: []string{"sha256:" + hexA}}}
	}
	measure(b, fstest.MapFS{"requirements.txt": {Data: []byte(lines.String())}}, pin.Config{Source: res, Fix: true})
}

// BenchmarkFixActions writes commits into a workflow with many steps.
func BenchmarkFixActions(b *testing.B) {
	var steps strings.Builder
	for range 100 {
		steps.WriteString("      - uses: acme/tool@v1\n")
	}
	measure(b, fstest.MapFS{".github/workflows/ci.yml": {Data: []byte(wfText(steps.String()))}}, pin.Config{Source: known(), Fix: true})
}

// BenchmarkIncomplete looks into one wheelhouse for many requirements files.
func BenchmarkIncomplete(b *testing.B) {
	fsys := fstest.MapFS{}
	var lines strings.Builder
	for i := range 50 {
		name := fmt.Sprintf("p%02d", i)
		fsys["wheelhouse/"+name+"-1.0-py3-none-any.whl"] = &fstest.MapFile{Data: wheeltest.Wheel{Name: name, Version: "1.0", Requires: []string{"missing"}}.Build()}
		fmt.Fprintf(&lines, "%s==1.0%s\n", name, hash)
	}
	for i := range 20 {
		fsys[fmt.Sprintf("requirements/%02d.txt", i)] = &fstest.MapFile{Data: []byte(lines.String())}
	}
	measure(b, fsys, pin.Config{})
}
