// Command release builds the release's assets and writes or checks
// bootstrap/release.json:
//
//	go run ./scripts/release write    builds, and writes the checksums into the commit that they describe
//	go run ./scripts/release check    builds again and compares: a required check, and the tag job's first step
//
// The same bytes come from any folder and any commit with the same sources: no
// build id, no version control stamp, no paths. The version is a constant of the
// sources (internal/version). Assets stand in dist/.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/version"
)

// targets are the platforms that have a binary; others build from source.
func targets() []string {
	return []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"}
}

type asset struct {
	Name string `json:"name"`
	// SHA256 and Size are the compressed asset's, Binary is the SHA-256 of what is in it.
	SHA256 string `json:"sha256"`
	Size   int    `json:"size"`
	Binary string `json:"binary"`
}

type manifest struct {
	Repository string           `json:"repository"`
	Tag        string           `json:"tag"`
	Assets     map[string]asset `json:"assets"`
}

const file = "bootstrap/release.json"

func main() {
	if len(os.Args) != 2 || (os.Args[1] != "write" && os.Args[1] != "check") {
		fmt.Fprintln(os.Stderr, "usage: go run ./scripts/release write|check")
		os.Exit(2)
	}
	if err := run(os.Args[1] == "write"); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(write bool) error {
	m := manifest{Repository: "fairlead-ci/fairlead", Tag: "v" + strings.TrimPrefix(version.Version, "v"), Assets: map[string]asset{}}
	if strings.Contains(m.Tag, "dev") {
		return fmt.Errorf("internal/version says %q: set the release's version first", version.Version)
	}
	if err := os.MkdirAll("dist", 0o755); err != nil {
		return err
	}
	for _, t := range targets() {
		a, err := build(m.Tag, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		m.Assets[t] = a
		fmt.Printf("%-13s %s  %d bytes\n", t, a.SHA256, a.Size)
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if write {
		return os.WriteFile(file, text, 0o644)
	}
	have, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, text) {
		return fmt.Errorf("%s does not describe these sources: go run ./scripts/release write\n%s", file, text)
	}
	return nil
}

func build(tag, target string) (asset, error) {
	goos, goarch, _ := strings.Cut(target, "/")
	dir, err := os.MkdirTemp("", "fairlead-release-")
	if err != nil {
		return asset{}, err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "fairlead")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w -buildid=", "-o", bin, "./cmd/fairlead")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS=", "GOENV=off", "GOTOOLCHAIN=local", "GOWORK=off", "GOAMD64=v1", "GOARM64=v8.0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return asset{}, fmt.Errorf("%w: %s", err, out)
	}
	binary, err := os.ReadFile(bin)
	if err != nil {
		return asset{}, err
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression) // no name, no time
	if err != nil {
		return asset{}, err
	}
	if _, err := w.Write(binary); err != nil {
		return asset{}, err
	}
	if err := w.Close(); err != nil {
		return asset{}, err
	}
	a := asset{Name: fmt.Sprintf("fairlead_%s_%s_%s.gz", strings.TrimPrefix(tag, "v"), goos, goarch), SHA256: sum(b.Bytes()), Size: b.Len(), Binary: sum(binary)}
	return a, os.WriteFile(filepath.Join("dist", a.Name), b.Bytes(), 0o644)
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
