//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"
)

// otherGo is a second release of Go: its compressor and its archives may write
// other bytes, and ours must not.
const otherGo = "go1.27.1"

// layoutBase is a Debian base with Python 3.11 as an OCI layout.
func layoutBase(t *testing.T) string {
	t.Helper()
	podmanWorks(t)
	name := "localhost/fairlead-e2e-digest:1"
	must(t, "", nil, "podman", "import", "-q", "--arch", "amd64", "--os", "linux", baseTar(t, "amd64"), name)
	t.Cleanup(func() { _ = exec.Command("podman", "rmi", "-f", name).Run() })
	dir := filepath.Join(t.TempDir(), "base")
	must(t, "", nil, "podman", "save", "-q", "--format", "oci-dir", "-o", dir, name)
	return dir
}

// builder compiles the command for a machine with a release of Go.
func builder(t *testing.T, arch, toolchain string) string {
	t.Helper()
	need(t, "go")
	out := filepath.Join(t.TempDir(), "fairlead")
	must(t, repo(t), []string{"GOARCH=" + arch, "GOTOOLCHAIN=" + toolchain, "CGO_ENABLED=0"}, "go", "build", "-o", out, "./cmd/fairlead")
	return out
}

// keepFacts copies what one cache knows of bases to another.
func keepFacts(t *testing.T, from, to string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(from, "fairlead", "base-*.json"))
	if err != nil || len(found) == 0 {
		t.Fatalf("nothing is known of the base: %v", err)
	}
	for _, f := range found {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(to, "fairlead"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, "fairlead", filepath.Base(f)), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSameDigestAnywhere builds one project with everything varied that must not
// matter: where, when, by whom and with what.
func TestSameDigestAnywhere(t *testing.T) {
	need(t, "podman", "go", "qemu-aarch64")
	base := layoutBase(t)
	second := builder(t, "amd64", otherGo)
	if v := must(t, "", nil, "go", "version", second).stdout; !strings.Contains(v, otherGo) {
		t.Fatalf("the second builder is of %s", v)
	}
	arm := builder(t, "arm64", "local")
	digests := map[string][]string{}
	// Under emulation the base is not looked into again: what is known of it is
	// kept by its digest, and the first run has found it out.
	known, emulated := t.TempDir(), t.TempDir()
	for i, v := range []struct {
		name  string
		bin   []string
		umask string
		env   []string
	}{
		{"as it is", []string{bin(t)}, "0022", []string{"XDG_CACHE_HOME=" + known}},
		{"folder, umask, time zone and time", []string{bin(t)}, "0077", []string{"TZ=Pacific/Auckland"}},
		{"locale and one processor", []string{bin(t)}, "0000", []string{"LC_ALL=tr_TR.UTF-8", "LANG=tr_TR.UTF-8", "GOMAXPROCS=1", "TZ=America/New_York"}},
		{"another user's home, no cache", []string{bin(t)}, "0022", []string{"HOME=" + t.TempDir(), "XDG_CACHE_HOME=" + t.TempDir(), "USER=somebody"}},
		{otherGo, []string{second}, "0022", []string{"XDG_CACHE_HOME=" + t.TempDir()}},
		{"arm64", []string{"qemu-aarch64", arm}, "0022", []string{"XDG_CACHE_HOME=" + emulated}},
	} {
		dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", i), "hello")
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(repo(t), "examples", "hello"))); err != nil {
			t.Fatal(err)
		}
		if v.name == "arm64" {
			keepFacts(t, known, emulated)
		}
		old := time.Now().Add(-time.Duration(i) * 1000 * time.Hour)
		_ = os.Chtimes(filepath.Join(dir, "Procfile"), old, old)
		script := fmt.Sprintf(`umask %s; exec "$@"`, v.umask)
		args := append([]string{"-c", script, "sh"}, v.bin...)
		r := must(t, dir, v.env, "sh", append(args, "build-image", ".", "--base", "oci:"+base, "--platforms", "linux/amd64", "--no-test", "--format", "json")...)
		d := decode[buildDocument](t, r.stdout)
		digests[d.Digest] = append(digests[d.Digest], v.name)
		t.Logf("%s  %s", d.Digest, v.name)
	}
	if len(digests) != 1 {
		t.Errorf("digests differ: %q", digests)
	}
}

// pin is what a lock says of a package, for the templates below.
type pin struct {
	Name, Version string
	Hashes        []string // "sha256:…"
	Wheel, URL    string   // for the platform of the test
}

// formats are the six lock formats, each as its tool writes it, in short.
var formats = map[string]string{
	"requirements.txt": "{{range .}}{{.Name}}=={{.Version}}{{range .Hashes}} \\\n    --hash={{.}}{{end}}\n{{end}}",
	"Pipfile.lock":     `{"_meta": {"pipfile-spec": 6, "requires": {"python_version": "3.11"}, "sources": []}, "default": { {{- range $i, $p := .}}{{if $i}},{{end}}"{{.Name}}": {"version": "=={{.Version}}", "hashes": [{{range $k, $h := .Hashes}}{{if $k}},{{end}}"{{.}}"{{end}}]}{{end -}} }, "develop": {}}`,
	"poetry.lock": `{{range .}}[[package]]
name = "{{.Name}}"
version = "{{.Version}}"
optional = false
python-versions = ">=3.9"
groups = ["main"]
files = [{{range .Hashes}}{file = "a-file", hash = "{{.}}"},{{end}}]

{{end}}[metadata]
lock-version = "2.1"
python-versions = ">=3.10"
content-hash = "0000000000000000000000000000000000000000000000000000000000000000"
`,
	"pdm.lock": `[metadata]
groups = ["default"]
strategy = ["inherit_metadata"]
lock_version = "4.5.0"
content_hash = "sha256:0"

{{range .}}[[package]]
name = "{{.Name}}"
version = "{{.Version}}"
groups = ["default"]
files = [{{range .Hashes}}{file = "a-file", hash = "{{.}}"},{{end}}]

{{end}}`,
	"uv.lock": `version = 1
revision = 3
requires-python = ">=3.10"

{{range .}}[[package]]
name = "{{.Name}}"
version = "{{.Version}}"
source = { registry = "https://index.example/simple" }
wheels = [{ url = "{{.URL}}", hash = "{{index .Hashes 0}}" }]

{{end}}[[package]]
name = "hello"
version = "1.0.0"
source = { editable = "." }
dependencies = [{{range .}}{ name = "{{.Name}}" },{{end}}]
`,
	"pylock.toml": `lock-version = "1.0"
created-by = "a test"
requires-python = ">=3.10"

{{range .}}[[packages]]
name = "{{.Name}}"
version = "{{.Version}}"
wheels = [{ name = "{{.Wheel}}", url = "{{.URL}}", hashes = { sha256 = "{{slice (index .Hashes 0) 7}}" } }]

{{end}}`,
}

// TestSameLayersOfSixLocks: the same pins in any tool's lock give the same
// dependency layers. (Locks that the tools themselves wrote are compared by
// `make conformance`.)
func TestSameLayersOfSixLocks(t *testing.T) {
	base := layoutBase(t)
	source := filepath.Join(repo(t), "examples", "hello")
	args := []string{"build-image", ".", "--base", "oci:" + base, "--platforms", "linux/amd64", "--no-test", "--format", "json"}

	type choice struct{ Name, Version, Wheel, From, SHA256 string }
	type plan struct {
		Platforms []struct{ Wheels []choice }
	}
	p := decode[plan](t, must(t, source, nil, bin(t), append(slices.Clone(args), "--plan")...).stdout)
	text, err := os.ReadFile(filepath.Join(source, "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var pins []pin
	for _, c := range p.Platforms[0].Wheels {
		at := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(c.Name) + `==\S+ \\\n((?:    --hash=\S+(?: \\)?\n)+)`).FindSubmatch(text)
		if at == nil {
			t.Fatalf("%s is not in requirements.txt", c.Name)
		}
		one := pin{Name: c.Name, Version: c.Version, Wheel: c.Wheel, URL: c.From, Hashes: regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindAllString(string(at[1]), -1)}
		// The chosen wheel's own hash first: formats with addresses name one file.
		i := slices.Index(one.Hashes, "sha256:"+c.SHA256)
		if i < 0 {
			t.Fatalf("the hash of %s is not in requirements.txt: %q", c.Wheel, c.SHA256)
		}
		one.Hashes[0], one.Hashes[i] = one.Hashes[i], one.Hashes[0]
		pins = append(pins, one)
	}
	if len(pins) < 5 {
		t.Fatalf("only %d pins", len(pins))
	}
	layers := map[string][]string{}
	for name, body := range formats {
		dir := filepath.Join(t.TempDir(), "hello")
		if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "requirements.txt")); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := template.Must(template.New(name).Parse(body)).Execute(&b, pins); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		type document struct {
			Digest string
			Layers []struct{ Digest, From string }
		}
		d := decode[document](t, must(t, dir, nil, bin(t), args...).stdout)
		var own []string
		for _, l := range d.Layers {
			if l.From == "wheels" || l.From == "venv" {
				own = append(own, l.Digest)
			}
		}
		if len(own) < 3 {
			t.Errorf("%s: layers %+v", name, d.Layers)
		}
		key := strings.Join(own, " ")
		layers[key] = append(layers[key], name)
		t.Logf("%s  %d dependency layers, image %s", name, len(own), d.Digest)
	}
	if len(layers) != 1 {
		t.Errorf("dependency layers differ: %q", layers)
	}
}
