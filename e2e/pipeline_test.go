//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/e2e/rewrite"
	fake "github.com/fairlead-ci/fairlead/internal/fake/github"
)

// actionSHA is the commit that the caller pins in these tests; a folder stands for it.
const actionSHA = "0123456789abcdef0123456789abcdef01234567"

// appTokenSHA is the commit of actions/create-github-app-token that the workflows pin.
const appTokenSHA = "bcd2ba49218906704ab6c1aa796996da409d3eb1"

// platform is everything around a repository on GitHub, on this machine: a
// runner, a registry, the git remote.
type platform struct {
	dir       string
	action    string // the checkout behind actionSHA
	repo      string // the application's checkout
	hub       string // its remote, which keeps the ledger
	registry  string
	base      string
	mirror    *releases
	artifacts string
	appToken  string // a stand-in for actions/create-github-app-token
	run       int
	env       []string
	secrets   map[string]string
	github    *fake.Server
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	need(t, "git", "docker-registry", "podman")
	node(t)
	if _, err := os.Stat(act(t)); err != nil {
		t.Skip("NOT TESTED: no act (make e2e installs it)")
	}
	api, err := fake.Start(context.Background(), "acme/shop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	api.Scopes = map[string][]string{"ghs_e2e": {"checks: write", "deployments: write", "contents: write"}}
	p := &platform{dir: t.TempDir(), secrets: map[string]string{"GITHUB_TOKEN": "ghs_e2e"}, github: api}
	p.registry = dockerRegistry(t)
	pushBase(t, baseTar(t, "amd64"), "amd64", p.registry+"/python:3.11")
	p.base = p.registry + "/python@" + digestOf(t, p.registry+"/python:3.11")
	binary, err := os.ReadFile(bin(t))
	if err != nil {
		t.Fatal(err)
	}
	asset := gzipped(t, binary)
	p.mirror = serveReleases(t, asset)
	p.action = checkout(t, asset)
	for _, f := range []string{"action.yml", "actions"} {
		copyInto(t, filepath.Join(repo(t), f), filepath.Join(p.action, f))
	}
	p.appToken = filepath.Join(p.dir, "app-token")
	for path, text := range map[string]string{
		"action.yml": "name: stand-in\ndescription: stand-in\ninputs: {app-id: {}, private-key: {}, permission-contents: {}, permission-deployments: {}}\noutputs: {token: {description: t}}\nruns: {using: node24, main: main.js}\n",
		"main.js":    "require('fs').appendFileSync(process.env.GITHUB_OUTPUT, 'token=ghs_app\\n')\n",
	} {
		if err := write(filepath.Join(p.appToken, path), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	p.artifacts = filepath.Join(p.dir, "artifacts")
	for name, script := range map[string]string{
		// act's artifact server refuses the real ones; these keep the same promise on a disk.
		"upload-artifact":   "const fs=require('fs'),p=process.env.INPUT_PATH,d=process.env.ARTIFACTS+'/'+process.env.INPUT_NAME;if(fs.existsSync(p)){fs.mkdirSync(d,{recursive:true});fs.copyFileSync(p,d+'/'+require('path').basename(p))}\n",
		"download-artifact": "const fs=require('fs'),pre=process.env.INPUT_PATTERN.replace(/\\*$/,'');for(const n of fs.readdirSync(process.env.ARTIFACTS))if(n.startsWith(pre))fs.cpSync(process.env.ARTIFACTS+'/'+n,process.env.INPUT_PATH+'/'+n,{recursive:true})\n",
	} {
		meta := "name: stand-in\ndescription: stand-in\ninputs: {name: {}, path: {}, pattern: {}, if-no-files-found: {}, retention-days: {}}\nruns: {using: node24, main: main.js}\n"
		for path, text := range map[string]string{"action.yml": meta, "main.js": script} {
			if err := write(filepath.Join(p.dir, name, path), []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.hub, p.repo = filepath.Join(p.dir, "hub.git"), filepath.Join(p.dir, "shop")
	must(t, "", nil, "git", "init", "-q", "--bare", "-b", "main", p.hub)
	must(t, "", nil, "git", "init", "-q", "-b", "main", p.repo)
	must(t, p.repo, nil, "git", "remote", "add", "origin", p.hub)
	for _, kv := range []string{"user.name=Ann", "user.email=ann@example.com"} {
		k, v, _ := strings.Cut(kv, "=")
		must(t, p.repo, nil, "git", "config", k, v)
	}
	return p
}

func act(t *testing.T) string { return filepath.Join(repo(t), ".cache", "bin", "act") }

func digestOf(t *testing.T, ref string) string {
	t.Helper()
	return strings.TrimSpace(must(t, "", nil, "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://"+ref).stdout)
}

func copyInto(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// release puts a release of the example into the repository, with the caller's
// workflow and what else is given, and commits it.
func (p *platform) release(t *testing.T, n int, files map[string]string) string {
	t.Helper()
	title := writeExample(t, n, p.repo)
	var err error
	for path, text := range files {
		if err == nil && path == "pyproject.toml" { // settings, behind the example's own
			var own []byte
			if own, err = os.ReadFile(filepath.Join(p.repo, path)); err == nil {
				text = string(own) + text
			}
		}
		if err == nil {
			err = write(filepath.Join(p.repo, path), []byte(text))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	must(t, p.repo, nil, "git", "add", "-A")
	must(t, p.repo, nil, "git", "commit", "-q", "-m", title)
	must(t, p.repo, nil, "git", "push", "-q", "origin", "HEAD:main")
	return strings.TrimSpace(must(t, p.repo, nil, "git", "rev-parse", "HEAD").stdout)
}

func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// event is one line of act's JSON log.
type event struct {
	JobID     string            `json:"jobID"`
	Step      string            `json:"step"`
	Command   string            `json:"command"`
	Name      string            `json:"name"`
	Arg       string            `json:"arg"`
	Msg       string            `json:"msg"`
	Content   string            `json:"content"`
	JobResult string            `json:"jobResult"`
	KV        map[string]string `json:"kvPairs"`
}

// outcome is what a run of a workflow came to.
type runOutcome struct {
	code    int
	log     string
	events  []event
	jobs    map[string]string            // job: success or failure
	outputs map[string]map[string]string // job, and "job/step": outputs of its steps, later ones over earlier ones
}

// of returns the log of the jobs that did not end as wanted, else the whole:
// who reads a failed test should not have to look for them.
func (o runOutcome) of(want map[string]string) string {
	var b strings.Builder
	for line := range strings.Lines(o.log) {
		job, _, _ := strings.Cut(strings.TrimPrefix(line, "["), "]")
		if o.jobs[job] != want[job] {
			b.WriteString(line)
		}
	}
	if b.Len() == 0 {
		return o.log
	}
	return b.String()
}

// push runs the caller's workflow for a push, as GitHub would.
func (p *platform) push(t *testing.T, sha string) runOutcome {
	t.Helper()
	p.run++
	work := filepath.Join(p.dir, fmt.Sprint("run", p.run))
	// Every job has folders of its own, made anew and gone after the run; only
	// registry, ledger and outputs connect jobs.
	jobs := filepath.Join(work, "jobs")
	workflows := filepath.Join(p.action, ".github", "workflows")
	for _, dir := range []string{workflows, filepath.Join(work, "cache"), filepath.Join(work, "config", "act")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(repo(t), ".github", "workflows", "pipeline.yml"))
	if err != nil {
		t.Fatal(err)
	}
	text = rewrite.Workflow(text, rewrite.Options{SHA: actionSHA, Env: map[string]string{
		"HOME": jobs + "/{job}", "TMPDIR": jobs + "/{job}", "XDG_CACHE_HOME": jobs + "/{job}/cache", "XDG_DATA_HOME": jobs + "/{job}/data",
	}})
	if err := os.WriteFile(filepath.Join(workflows, "pipeline.yml"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, job := range []string{"check", "plan", "test", "report", "package", "staging", "canary", "production", "take-back"} {
		if err := os.MkdirAll(filepath.Join(jobs, job), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	payload, err := json.Marshal(map[string]any{"ref": "refs/heads/main", "after": sha, "head_commit": map[string]any{"id": sha},
		"repository": map[string]any{"full_name": "acme/shop", "default_branch": "main", "name": "shop", "owner": map[string]any{"login": "acme"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, "event.json"), payload, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, "config", "act", "actrc"), []byte("-P ubuntu-latest=-self-hosted\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var secrets strings.Builder
	for name, value := range p.secrets {
		fmt.Fprintf(&secrets, "%s=%q\n", name, value)
	}
	if err := os.WriteFile(filepath.Join(work, "secrets"), []byte(secrets.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"push", "-C", p.repo, "-W", ".github/workflows/deploy.yml", "--no-cache-server", "--json", "--concurrent-jobs", "1",
		"--local-repository", "fairlead-ci/fairlead@" + actionSHA + "=" + p.action,
		"--local-repository", "actions/create-github-app-token@" + appTokenSHA + "=" + p.appToken,
		"--local-repository", "actions/upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a=" + filepath.Join(p.dir, "upload-artifact"),
		"--local-repository", "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c=" + filepath.Join(p.dir, "download-artifact"),
		"--env", "ARTIFACTS=" + p.artifacts,
		"-e", filepath.Join(work, "event.json"), "--secret-file", filepath.Join(work, "secrets"), "-a", "ann",
		"--env", "GITHUB_RUN_ID=" + fmt.Sprint(100+p.run), "--env", "GITHUB_RUN_NUMBER=" + fmt.Sprint(p.run), "--env", "GITHUB_REPOSITORY=acme/shop",
		"--env", "FAIRLEAD_MIRROR=" + p.mirror.URL, "--env", "GITHUB_API_URL=" + p.github.URL}
	for _, kv := range p.env {
		args = append(args, "--env", kv)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, act(t), args...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(work, "cache"), "XDG_CONFIG_HOME="+filepath.Join(work, "config"),
		"PATH="+filepath.Dir(node(t))+":"+os.Getenv("PATH"), "CONTAINERS_CONF="+filepath.Join(repo(t), "containers.conf"), "REGISTRY_AUTH_FILE="+authFile(t))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run()
	o := runOutcome{code: cmd.ProcessState.ExitCode(), jobs: map[string]string{}, outputs: map[string]map[string]string{}}
	var log strings.Builder
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintf(&log, "%s\n", lines.Text())
			continue
		}
		o.events = append(o.events, e)
		name := e.JobID
		if e.JobResult != "" {
			o.jobs[name] = e.JobResult
		}
		if e.Command == "set-output" {
			for _, at := range []string{name, name + "/" + e.Step} {
				if o.outputs[at] == nil {
					o.outputs[at] = map[string]string{}
				}
				o.outputs[at][e.Name] = e.Arg
			}
		}
		fmt.Fprintf(&log, "[%s] %s\n", name, strings.TrimRight(e.Msg, "\n"))
	}
	o.log = log.String()
	// The runner is thrown away.
	if err := os.RemoveAll(work); err != nil {
		t.Logf("removing the runner: %v", err)
	}
	return o
}

const caller = `name: deploy
on: { push: { branches: [main] } }
permissions: {}
jobs:
  ship:
    uses: fairlead-ci/fairlead/.github/workflows/pipeline.yml@` + actionSHA + ` # v1.0.0
    permissions: { contents: write, packages: write, deployments: write, checks: write }
    with:
      image: %s/shop
      base: %s
      test: pytest -q -p no:cacheprovider
      test-requirements: requirements-test.txt
      staging: %s
      production: %s
      ledger: %s
    secrets:
      ssh-key: ${{ secrets.DEPLOY_KEY }}
      ssh-known-hosts: ${{ secrets.KNOWN_HOSTS }}
`

func TestPipeline(t *testing.T) {
	podmanPorts(t)
	p := newPlatform(t)
	t.Cleanup(func() { removeContainers(t) })
	p.ship(t, "container", "container", func(t *testing.T) string {
		return must(t, "", nil, "podman", "ps", "--filter", "label=dev.fairlead.service=shop", "--format", "{{.Names}}").stdout
	})
}

// removeContainers leaves none behind: a container that is being stopped or
// removed cannot be removed at that moment.
func removeContainers(t *testing.T, global ...string) {
	t.Helper()
	var last result
	for range 20 {
		ids := strings.Fields(run(t, "", nil, "podman", append(global, "ps", "-aq", "--filter", "label=dev.fairlead.service=shop")...).stdout)
		if len(ids) == 0 {
			return
		}
		last = run(t, "", nil, "podman", append(append(global, "rm", "-f", "-t", "1"), ids...)...)
		time.Sleep(500 * time.Millisecond)
	}
	t.Errorf("containers stay: %s", last.stderr)
}

// ship takes three releases of the example through the pipeline: a first one, a
// good one and a bad one; containers says which run in the end.
func (p *platform) ship(t *testing.T, stagingTarget, productionTarget string, containers func(*testing.T) string) {
	t.Helper()
	staging, production := freePort(t), freePort(t)
	files := map[string]string{
		".github/workflows/deploy.yml": fmt.Sprintf(caller, p.registry, p.base, stagingTarget, productionTarget, p.hub),
		"app.env":                      "SECRET_KEY=e2e\n",
		"pyproject.toml": fmt.Sprintf(`
[tool.fairlead.promote]
service = "shop"
env-file = "app.env"
engine = "podman"

[tool.fairlead.environments.staging]
publish = "127.0.0.1:%d"

[tool.fairlead.environments.production]
publish = "127.0.0.1:%d"

[tool.fairlead.canary-gate]
probe = true
probe-rate = 120
probe-path = ["/greet/e2e"]
interval = "1s"
deadline = "6m"
`, staging, production),
	}
	var digests []string
	for n, want := range []map[string]string{
		// A first release has nothing to be compared with.
		{"check": "success", "package": "success", "staging": "success", "canary": "success", "production": "success"},
		{"check": "success", "package": "success", "staging": "success", "canary": "success", "production": "success"},
		{"check": "success", "package": "success", "staging": "success", "canary": "failure"},
	} {
		began := time.Now()
		out := p.push(t, p.release(t, n+1, files))
		digest := out.outputs["package"]["digest"]
		digests = append(digests, digest)
		t.Logf("release %d: %s in %v", n+1, digest, time.Since(began).Round(time.Second))
		if good := n < 2; (out.code == 0) != good || !maps.Equal(out.jobs, want) {
			t.Fatalf("release %d: exit code %d, jobs %v, want %v\n%s", n+1, out.code, out.jobs, want, out.of(want))
		}
		for _, job := range []string{"staging", "production"} {
			if got, ran := out.outputs[job]["digest"], want[job] != ""; ran && got != digest {
				t.Errorf("release %d: %s reports %s, package published %s", n+1, job, got, digest)
			}
		}
		start, gate := out.outputs["canary/Start the canary"], out.outputs["canary/Judge it"]
		if wantVerdict := []string{"", "pass", "fail"}[n]; gate["verdict"] != wantVerdict || start["first"] != strconv.FormatBool(n == 0) {
			t.Errorf("release %d: start %v, gate %v", n+1, start, gate)
		}
	}
	// What runs is what the ledger says: production kept the good release.
	for env, want := range map[string]string{"staging": digests[2], "production": digests[1]} {
		r := must(t, p.repo, nil, bin(t), "ledger", "show", "--env", env, "--service", "shop", "--ledger", p.hub, "--format", "json")
		if !strings.Contains(r.stdout, `"digest": "`+want+`"`) {
			t.Errorf("%s: %s, want %s", env, r.stdout, want)
		}
	}
	get(t, fmt.Sprintf("http://127.0.0.1:%d/greet/e2e", production), "Bonjour, e2e!")
	names := containers(t)
	if strings.Count(names, "\n") != 2 || strings.Contains(names, "canary") {
		t.Errorf("containers:\n%s", names)
	}

	// GitHub holds what a person expects to see, and only that.
	n, invalid, routes := p.github.Requests()
	for _, text := range invalid {
		t.Errorf("against GitHub's API description: %s", text)
	}
	t.Logf("%d requests of %d kinds, all valid by GitHub's API description; it now shows:\n%s", n, len(routes), p.github.Dump())
	checks, _, _, _, deployments := p.github.Counts()
	// Each run: check and the tests; the second and third also the canary's verdict.
	if checks != 8 || deployments != 6 {
		t.Errorf("%d check runs, want 8; %d deployments, want 6", checks, deployments)
	}
	dump := p.github.Dump()
	for _, want := range []string{"fairlead / canary-gate     failure", "in_progress → failure", "success → inactive"} {
		if !strings.Contains(dump, want) {
			t.Errorf("no %q", want)
		}
	}
}

// TestPipelineShards: shards test one digest, and one job publishes it.
func TestPipelineShards(t *testing.T) {
	podmanWorks(t)
	p := newPlatform(t)
	text := fmt.Sprintf(caller, p.registry, p.base, "tag", "tag", p.hub)
	text = strings.Replace(text, "      test: pytest", "      canary: false\n      service: shop\n      shards: '[1, 2]'\n      test: pytest", 1)
	// Each shard takes every second test of the example.
	files := map[string]string{".github/workflows/deploy.yml": text, "tests/conftest.py": `
import os
import pytest

os.environ.setdefault("SECRET_KEY", "test")


def pytest_collection_modifyitems(config, items):
    shard, shards = int(os.environ["FAIRLEAD_SHARD"]), int(os.environ["FAIRLEAD_SHARDS"])
    items[:] = [x for i, x in enumerate(sorted(items, key=lambda x: x.nodeid)) if i % shards == shard - 1]
`}
	own, err := os.ReadFile(filepath.Join(repo(t), "examples", "hello", "tests", "conftest.py"))
	if err != nil {
		t.Fatal(err)
	}
	files["tests/conftest.py"] = string(own) + files["tests/conftest.py"]
	out := p.push(t, p.release(t, 1, files))
	want := map[string]string{"check": "success", "plan": "success", "test": "success", "report": "success", "package": "success", "staging": "success", "production": "success"}
	if out.code != 0 || !maps.Equal(out.jobs, want) {
		t.Fatalf("exit code %d, jobs %v\n%s", out.code, out.jobs, out.of(want))
	}
	if plan, made := out.outputs["plan"]["digest"], out.outputs["package"]["digest"]; plan != made || made == "" {
		t.Errorf("planned %q, published %q", plan, made)
	}
	if got := out.outputs["report"]["tests"]; got != "18" {
		t.Errorf("the merged report counts %q tests, want 18", got)
	}
	if !strings.Contains(p.github.Dump(), "fairlead / tests (shop)") {
		t.Errorf("GitHub shows\n%s", p.github.Dump())
	}
}
