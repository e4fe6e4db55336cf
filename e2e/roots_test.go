//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRootFileSystems builds one application, of many packages with compiled
// code, on the two Pythons that Debian has, and looks at it from inside: pip
// check, every hash of every RECORD, the import of every top-level module, the
// shared libraries of every extension; nothing that no RECORD knows.
func TestRootFileSystems(t *testing.T) {
	need(t, "skopeo", "podman", "docker-registry", "python3")
	addr := dockerRegistry(t)
	// Images with apt have libstdc++; the smallest Debian has not.
	with := []string{"--variant=essential", "--include=python3,ca-certificates,libstdc++6"}
	pip := pipWheel(t)
	for _, base := range []struct{ name, python string }{{"bookworm", "3.11"}, {"trixie", "3.13"}} {
		t.Run(base.name, func(t *testing.T) {
			ref := addr + "/base:" + base.name
			pushBase(t, debianTar(t, base.name+"-roots", with...), "amd64", ref)
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join(repo(t), "e2e", "testdata", "roots"))); err != nil {
				t.Fatal(err)
			}
			built := must(t, dir, nil, bin(t), "build-image", ".", "--format", "json", "--sbom", "spdx,cyclonedx", "--sbom-folder", t.TempDir(), "--base", ref, "--project", "source", "--entrypoint", "python /app/check.py", "--python", base.python,
				"--image", addr+"/roots", "--tags", base.name, "--push")
			checkReferrers(t, addr+"/roots", decode[buildDocument](t, built.stdout).Digest)
			image := addr + "/roots:" + base.name
			must(t, "", nil, "podman", "pull", "-q", "--tls-verify=false", image)
			t.Cleanup(func() { must(t, "", nil, "podman", "rmi", "-f", image) })
			r := must(t, "", nil, "podman", "run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "-e", "HOME=/tmp", "-v", pip+":/pip.whl:ro",
				"--entrypoint", "/app/.venv/bin/python", image, "/app/check.py", "/pip.whl")
			d := decode[struct {
				Python                    string
				Files, Modules, Libraries int
				Pip                       string
				Problems                  []string
			}](t, r.stdout)
			if !strings.HasPrefix(d.Python, base.python+".") || d.Files < 5000 || d.Modules < 80 || d.Libraries < 100 {
				t.Errorf("looked at too little: %s", r.stdout)
			}
			for _, p := range d.Problems {
				t.Error(p)
			}
			t.Logf("%s, CPython %s: %d files match their hashes, %d modules import, %d libraries find theirs; pip check: %s", base.name, d.Python, d.Files, d.Modules, d.Libraries, d.Pip)
		})
	}
	rebased(t, addr)
}

// rebased moves the image to a base in which something was changed, and runs it
// there; a base with another Python is refused.
func rebased(t *testing.T, addr string) {
	base, name := addr+"/base:bookworm", "fairlead-e2e-rebase"
	must(t, "", nil, "podman", "pull", "-q", "--tls-verify=false", base)
	must(t, "", nil, "podman", "run", "--name", name, "--network", "none", base, "/bin/sh", "-c", "echo fixed >/etc/fixed")
	t.Cleanup(func() { must(t, "", nil, "podman", "rm", "-f", name) })
	must(t, "", nil, "podman", "commit", "-q", name, "localhost/"+name+":1")
	t.Cleanup(func() { must(t, "", nil, "podman", "rmi", "-f", "localhost/"+name+":1", base) })
	must(t, "", nil, "podman", "push", "-q", "--tls-verify=false", "localhost/"+name+":1", addr+"/base:fixed")

	r := must(t, "", nil, bin(t), "rebase", addr+"/roots:bookworm", "--base", addr+"/base:fixed", "--push", "--tags", "fixed", "--format", "json")
	image := addr + "/roots@" + decode[buildDocument](t, r.stdout).Digest
	must(t, "", nil, "podman", "pull", "-q", "--tls-verify=false", image)
	t.Cleanup(func() { must(t, "", nil, "podman", "rmi", "-f", image) })
	got := must(t, "", nil, "podman", "run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--entrypoint", "/app/.venv/bin/python", image,
		"-c", "import numpy, lxml.etree; print(open('/etc/fixed').read(), numpy.arange(3).sum())").stdout
	if strings.Join(strings.Fields(got), " ") != "fixed 3" {
		t.Errorf("the rebased image says %q", got)
	}
	if r := run(t, "", nil, bin(t), "rebase", addr+"/roots:bookworm", "--base", addr+"/base:trixie", "--push", "--tags", "no"); r.code != 1 || !strings.Contains(r.stderr, "it has CPython 3.13, the image's packages are installed for 3.11") {
		t.Errorf("on another Python: exit code %d\n%s", r.code, r.stderr)
	}
}

// checkReferrers reads what is attached to an image as another client does.
// Debian's registry has no referrers API: the list is under the fallback tag.
func checkReferrers(t *testing.T, repository, digest string) {
	t.Helper()
	raw := must(t, "", nil, "skopeo", "inspect", "--raw", "--tls-verify=false", "docker://"+repository+":"+strings.Replace(digest, ":", "-", 1)).stdout
	list := decode[struct {
		Manifests []struct{ Digest, ArtifactType string }
	}](t, raw)
	seen := map[string]bool{}
	for _, m := range list.Manifests {
		seen[m.ArtifactType] = true
		artifact := decode[struct {
			ArtifactType string
			Subject      struct{ Digest string }
			Layers       []struct{ MediaType string }
		}](t, must(t, "", nil, "skopeo", "inspect", "--raw", "--tls-verify=false", "docker://"+repository+"@"+m.Digest).stdout)
		if artifact.Subject.Digest != digest || len(artifact.Layers) != 1 || artifact.Layers[0].MediaType != artifact.ArtifactType {
			t.Errorf("artifact %s: %+v", m.Digest, artifact)
		}
	}
	if !seen["application/spdx+json"] || !seen["application/vnd.cyclonedx+json"] {
		t.Errorf("attached to %s: %s", digest, raw)
	}
}

// pipWheel downloads pip, which the image does not hold, to ask it from outside.
func pipWheel(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, dir, nil, "python3", "-m", "venv", "venv")
	must(t, dir, nil, "venv/bin/pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "-d", ".", "pip==26.3")
	found, err := filepath.Glob(filepath.Join(dir, "pip-*.whl"))
	if err != nil || len(found) != 1 {
		t.Fatalf("downloading pip: %v, %v", found, err)
	}
	return found[0]
}
