// Command bootstrap measures how long an action takes to start its tool: the
// first step of a job (download and checksum), a second one (tool cache and
// checksum), and the tool without a bootstrap, in the same run.
//
//	bootstrap NODE BINARY REPOSITORY
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

const rounds = 15

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: bootstrap NODE BINARY REPOSITORY")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "bootstrap:", err)
		os.Exit(1)
	}
}

func run(node, binary, repo string) error {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	raw, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	_, _ = w.Write(raw)
	_ = w.Close()
	action := filepath.Join(dir, "action", "bootstrap")
	if err := os.CopyFS(action, os.DirFS(filepath.Join(repo, "bootstrap"))); err != nil {
		return err
	}
	manifest, _ := json.Marshal(map[string]any{"repository": "fairlead-ci/fairlead", "tag": "v9.9.9", "assets": map[string]any{
		runtime.GOOS + "/" + runtime.GOARCH: map[string]any{"name": "a.gz", "sha256": sum(gz.Bytes()), "size": gz.Len(), "binary": sum(raw)}}})
	if err := os.WriteFile(filepath.Join(action, "release.json"), manifest, 0o644); err != nil {
		return err
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(gz.Bytes()) }))
	defer srv.Close()
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		return err
	}
	n := 0
	start := func(job string, name string, args ...string) (time.Duration, error) {
		for _, d := range []string{"temp", "tools"} {
			if err := os.MkdirAll(filepath.Join(job, d), 0o755); err != nil {
				return 0, err
			}
		}
		cmd := exec.Command(name, args...)
		cmd.Dir = empty
		cmd.Env = append(os.Environ(), "FAIRLEAD_MIRROR="+srv.URL, "RUNNER_TEMP="+filepath.Join(job, "temp"), "RUNNER_TOOL_CACHE="+filepath.Join(job, "tools"))
		began := time.Now()
		out, err := cmd.CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}
		return time.Since(began), nil
	}
	var first, second, bare, alone []time.Duration
	for range rounds {
		n++
		job := filepath.Join(dir, fmt.Sprint("job", n))
		for _, m := range []struct {
			to   *[]time.Duration
			name string
			args []string
		}{
			{&first, node, []string{filepath.Join(action, "pin-check.js")}}, {&second, node, []string{filepath.Join(action, "pin-check.js")}},
			{&bare, binary, []string{"pin-check"}}, {&alone, node, []string{"-e", "0"}},
		} {
			d, err := start(job, m.name, m.args...)
			if err != nil {
				return err
			}
			*m.to = append(*m.to, d)
		}
	}
	base := median(bare)
	fmt.Printf("| start of pin-check on an empty folder (median of %d) | ms | times the bare tool |\n|---|---|---|\n", rounds)
	for _, m := range []struct {
		name string
		d    []time.Duration
	}{{"first step of a job: download from loopback, checksum, cache", first}, {"second step: cache, checksum", second}, {"node -e 0, for comparison", alone}, {"the tool without a bootstrap", bare}} {
		fmt.Printf("| %s | %.0f | %.1f |\n", m.name, float64(median(m.d).Microseconds())/1000, float64(median(m.d))/float64(base))
	}
	fmt.Printf("\nBinary %.1f MB, asset %.1f MB; %s/%s, %d CPUs.\n", float64(len(raw))/1e6, float64(gz.Len())/1e6, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	return nil
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
