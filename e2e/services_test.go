//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// postgres is an image of Debian's PostgreSQL in a registry, by digest.
func postgres(t *testing.T, registry string) string {
	t.Helper()
	tar := debianTar(t, "postgres", "--variant=essential", "--include=postgresql-15")
	const start = `B=/usr/lib/postgresql/15/bin; $B/initdb -D /tmp/pg -A trust -U postgres >/dev/null && exec $B/postgres -D /tmp/pg -c listen_addresses=127.0.0.1 -c unix_socket_directories=/tmp -c fsync=off`
	name := "localhost/fairlead-e2e-postgres:1"
	must(t, "", nil, "podman", "import", "-q", "-c", `ENTRYPOINT ["/bin/sh","-c","`+start+`"]`, "-c", "EXPOSE 5432/tcp", "-c", "USER postgres", tar, name)
	t.Cleanup(func() { _ = exec.Command("podman", "rmi", "-f", name).Run() })
	must(t, "", nil, "podman", "push", "-q", "--tls-verify=false", name, registry+"/postgres:15")
	return registry + "/postgres@" + digestOf(t, registry+"/postgres:15")
}

// TestServicesBesideTheTests: a Django suite that needs PostgreSQL, in the image
// that is published, with the database on its localhost and nothing else.
func TestServicesBesideTheTests(t *testing.T) {
	need(t, "podman", "docker-registry", "skopeo")
	registry := dockerRegistry(t)
	pushBase(t, baseTar(t, "amd64"), "amd64", registry+"/python:3.11")
	db := postgres(t, registry)
	app := filepath.Join(t.TempDir(), "orders")
	if err := os.CopyFS(app, os.DirFS(filepath.Join(repo(t), "examples", "django"))); err != nil {
		t.Fatal(err)
	}
	build := func(more ...string) result {
		return run(t, "", nil, bin(t), append([]string{"build-image", app, "--base", registry + "/python:3.11", "--image", registry + "/orders", "--tags", "1", "--push"}, more...)...)
	}
	r := build("--test-service", "postgres="+db)
	if r.code != 0 || !strings.Contains(r.stderr, "2 passed") {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	t.Log(r.stdout)
	// Without the database the suite fails, and nothing new is published.
	if r := build("--tags", "2"); r.code != 1 || !strings.Contains(r.stderr, "onnection refused") {
		t.Errorf("without the service: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	// One that does not come up is shown with its last words.
	if r := build("--test-service", "postgres="+strings.Replace(db, "/postgres@", "/nothing@", 1)); r.code == 0 {
		t.Errorf("an unknown image: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := build("--test-service", "postgres="+registry+"/postgres:15"); r.code != 2 || !strings.Contains(r.stderr, "has no digest") {
		t.Errorf("by tag: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if left := must(t, "", nil, "podman", "ps", "-aq", "--filter", "label=dev.fairlead.role=test-service").stdout; left != "" {
		t.Errorf("services left behind: %s", left)
	}
}
