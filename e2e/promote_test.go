//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// switchProgram tells haproxy where production is now; with a file "broken" beside
// it, the proxy does not answer.
const switchProgram = `#!/usr/bin/env python3
import os, socket, sys
here = os.path.dirname(os.path.abspath(sys.argv[0]))
if os.path.exists(os.path.join(here, "broken")):
    sys.exit("the proxy does not answer")
host, port = os.environ["FAIRLEAD_UPSTREAM"].rsplit(":", 1)
with open(os.path.join(here, "switch.log"), "a") as log:
    print(os.environ["FAIRLEAD_PHASE"], os.environ["FAIRLEAD_SEQ"], os.environ["FAIRLEAD_DIGEST"], file=log)
s = socket.socket(socket.AF_UNIX)
s.connect(os.path.join(here, "haproxy.sock"))
s.sendall(f"set server production/one addr {host} port {port}\n".encode())
print("::error::" + s.recv(4096).decode().strip())
`

// greens is a production of real containers behind haproxy, with a Prometheus
// that watches it; every setting stands in fairlead.toml.
type greens struct {
	*shop
	images [4]string // REPOSITORY@DIGEST of releases 1 to 3
}

func newGreens(t *testing.T) *greens {
	t.Helper()
	podmanPorts(t)
	need(t, "git", "docker-registry", "skopeo")
	g := &greens{shop: shopParts(t, "")}
	registry := dockerRegistry(t)
	pushBase(t, baseTar(t, "amd64"), "amd64", registry+"/python:3.11")
	for n := 1; n <= 3; n++ {
		dir := filepath.Join(t.TempDir(), "shop")
		writeExample(t, n, dir)
		r := must(t, dir, nil, bin(t), "build-image", ".", "--base", registry+"/python:3.11", "--image", registry+"/shop", "--tags", fmt.Sprint(n), "--push", "--format", "json")
		g.images[n] = registry + "/shop@" + decode[buildDocument](t, r.stdout).Digest
	}
	must(t, g.dir, nil, "git", "init", "-q", "--bare", "ledger.git")
	g.write(t, "switch", switchProgram)
	if err := os.Chmod(filepath.Join(g.dir, "switch"), 0o755); err != nil {
		t.Fatal(err)
	}
	g.write(t, "app.env", "SECRET_KEY=e2e\n")
	g.write(t, "fairlead.toml", `[environments.production]
service = "shop"
actor = "ann"
ledger = "ledger.git"
target = "container"
engine = "podman"
env-file = "app.env"
switch = "./switch"
drain = "2s"
grace = "5s"
`)
	g.serve(t, fmt.Sprintf(productionHaproxy, filepath.Join(g.dir, "haproxy.sock"), g.ports["front"], g.ports["baseline"], g.ports["stats"]),
		fmt.Sprintf(strings.ReplaceAll(productionPrometheus, ": 2s", ": 1s"), g.ports["baseline"], g.ports["canary"], g.ports["stats"]))
	t.Cleanup(func() { removeContainers(t) })
	return g
}

// say runs fairlead in the production's folder.
func (g *greens) say(t *testing.T, args ...string) result {
	t.Helper()
	return fairlead(t, g.dir, args...)
}

// yes is a command that has to succeed, no one that has to be refused with words.
func (g *greens) yes(t *testing.T, args ...string) result {
	t.Helper()
	return must(t, g.dir, nil, bin(t), args...)
}

func (g *greens) no(t *testing.T, words string, args ...string) result {
	t.Helper()
	r := g.say(t, args...)
	if r.code != 1 || !strings.Contains(r.stdout+r.stderr, words) {
		t.Errorf("%s: exit code %d, want 1 and %q\n%s%s", strings.Join(args, " "), r.code, words, r.stdout, r.stderr)
	}
	return r
}

// serves makes sure of what users see, and that nothing else is left running.
func (g *greens) serves(t *testing.T, n int, words string) {
	t.Helper()
	get(t, g.front+"/greet/e2e", words)
	show := g.yes(t, "ledger", "show", "--env", "production", "--format", "json").stdout
	_, digest, _ := strings.Cut(g.images[n], "@")
	if !strings.Contains(show, `"digest": "`+digest+`"`) {
		t.Errorf("the ledger says %s, want release %d, %s", show, n, digest)
	}
	names := must(t, "", nil, "podman", "ps", "-a", "--filter", "label=dev.fairlead.service=shop", "--format", "{{.Names}} {{.Image}}").stdout
	if strings.Count(names, "\n") != 1 || !strings.Contains(names, digest) {
		t.Errorf("containers:\n%swant one of %s", names, digest)
	}
}

// TestBlueGreen promotes, cancels, rolls back, holds and bakes with containers
// behind a proxy, under load: users see nothing of it but the release's own bug.
func TestBlueGreen(t *testing.T) {
	g := newGreens(t)
	r := g.yes(t, "promote", g.images[1], "--to", "production", "--run", "1")
	if !strings.Contains(r.stdout, "traffic switched") {
		t.Errorf("first release:\n%s%s", r.stdout, r.stderr)
	}
	// What a switch prints is foreign: no workflow command may come of it.
	if strings.Contains("\n"+r.stdout+r.stderr, "\n::error") || !strings.Contains(r.stderr, "| ::error::") {
		t.Errorf("the output of --switch is not marked:\n%s", r.stderr)
	}
	g.serves(t, 1, "Hello, e2e!")
	load := g.users(60)
	unhurt := func(what string) {
		t.Helper()
		if n := load.failed["baseline"].Load() + load.failed[""].Load(); n > 0 {
			t.Errorf("%s: %d of %d requests failed", what, n, load.sent["baseline"].Load())
		}
	}

	g.cancelled(t)
	unhurt("a cancelled promotion")
	g.yes(t, "promote", g.images[2], "--to", "production", "--run", "3")
	g.serves(t, 2, "Bonjour, e2e!")
	unhurt("a promotion")

	g.yes(t, "rollback", "--env", "production", "--run", "4", "--reason", "nobody speaks French")
	g.serves(t, 1, "Hello, e2e!")
	g.yes(t, "rollback", "--env", "production", "--run", "4") // the same run again: nothing happens
	g.serves(t, 1, "Hello, e2e!")
	unhurt("a rollback")
	calm := time.Now()

	g.no(t, "held by ann", "promote", g.images[3], "--to", "production", "--run", "5")
	g.no(t, "no good release before", "rollback", "--env", "production", "--run", "5")
	g.yes(t, "unhold", "--env", "production", "--reason", "release 3 is ready")
	g.no(t, "was taken back from production before", "promote", g.images[2], "--to", "production", "--run", "5")
	g.yes(t, "hold", "--env", "production", "--reason", "end of the year")
	g.no(t, "end of the year", "promote", g.images[3], "--to", "production", "--run", "5")
	g.yes(t, "unhold", "--env", "production", "--reason", "january")

	// A proxy that does not answer: the old release serves on. Nobody knows where
	// the traffic goes, so that the environment stays locked until somebody looks.
	g.write(t, "broken", "")
	if r := g.say(t, "promote", g.images[3], "--to", "production", "--run", "6"); r.code != 4 || !strings.Contains(r.stderr, "switching the traffic") || !strings.Contains(r.stderr, "--abort --run 6") {
		t.Errorf("a broken switch: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if err := os.Remove(filepath.Join(g.dir, "broken")); err != nil {
		t.Fatal(err)
	}
	g.yes(t, "promote", "--to", "production", "--abort", "--run", "6")
	g.serves(t, 1, "Hello, e2e!")
	unhurt("a broken switch")

	g.bug(t, calm)
	load.stop()
	phases, err := os.ReadFile(filepath.Join(g.dir, "switch.log"))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, line := range strings.Split(strings.TrimSpace(string(phases)), "\n") {
		phase, _, _ := strings.Cut(line, " ")
		told = append(told, phase)
	}
	// Release 1, and again by the abort; 2; back to 1, and again by an abort; 3 and back.
	if got := strings.Join(told, " "); !regexp.MustCompile(`^promote rollback promote rollback rollback promote rollback$`).MatchString(got) {
		t.Errorf("the switch was told %q", got)
	}
	t.Logf("%d requests, %d failed, all of them by release 3's bug", load.sent["baseline"].Load(), load.failed["baseline"].Load())
}

// cancelled stops a promotion that waits for its release's health. The intent
// stays and names the way out, which works as it is written.
func (g *greens) cancelled(t *testing.T) {
	t.Helper()
	cmd := exec.Command(bin(t), "promote", g.images[2], "--to", "production", "--run", "2", "--health", "/never")
	var out bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = g.dir, &out, &out
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+filepath.Join(repo(t), "containers.conf"), "REGISTRY_AUTH_FILE="+authFile(t))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if strings.Count(must(t, "", nil, "podman", "ps", "-q", "--filter", "label=dev.fairlead.service=shop").stdout, "\n") == 2 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code == 0 || !strings.Contains(out.String(), "--abort --run 2") {
		t.Errorf("cancelled: exit code %d\n%s", code, out.String())
	}
	g.serves(t, 1, "Hello, e2e!")
	r := g.no(t, "run 2 is moving", "promote", g.images[2], "--to", "production", "--run", "3")
	way := regexp.MustCompile(`fairlead (promote \S+ --to production --abort --run 2)`).FindStringSubmatch(r.stdout)
	if way == nil {
		t.Fatalf("no way out:\n%s%s", r.stdout, r.stderr)
	}
	g.yes(t, strings.Fields(way[1])...)
	g.serves(t, 1, "Hello, e2e!")
}

// bug rolls release 3 out, whose bug the bake notices in Prometheus and takes back.
func (g *greens) bug(t *testing.T, calm time.Time) {
	t.Helper()
	if d := 25*time.Second - time.Since(calm); d > 0 {
		time.Sleep(d) // a time before to compare with
	}
	rolled := time.Now()
	g.yes(t, "promote", g.images[3], "--to", "production", "--run", "7")
	r := g.say(t, "canary-gate", "--bake", "--format", "json", "--prometheus", g.prometheus, "--canary-labels", `env="production"`, "--interval", "1s",
		"--requests-metric", "haproxy_backend_http_responses_total", "--bad-labels", `code="5xx"`, "--latency-metric", "none", "--deadline", "1m",
		"--rolled-out", rolled.UTC().Format(time.RFC3339Nano), "--history", rolled.Sub(calm).String(), "--metric", "errors margin=0.5",
		"--on-fail", bin(t)+" rollback --env production --run bake --reason 'the bake failed'")
	if r.code != 1 || !strings.Contains(r.stderr, "rollback production  done") {
		t.Fatalf("the bake: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	got := decode[gateReport](t, r.stdout)
	if got.Verdict != "fail" || !strings.Contains(got.Reason, "compared with the time before the rollout") {
		t.Errorf("%s: %s", got.Verdict, got.Reason)
	}
	t.Logf("noticed after %.0f s, back after %.0f s: %s", got.After, time.Since(rolled).Seconds(), got.Reason)
	g.serves(t, 1, "Hello, e2e!")
	g.no(t, "the bake failed", "promote", g.images[3], "--to", "production", "--run", "8")
	log := g.yes(t, "ledger", "log", "--env", "production").stdout
	for _, want := range []string{"rollback", "promote refused", "hold", "unhold"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the ledger:\n%s", want, log)
		}
	}
}
