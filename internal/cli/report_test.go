package cli

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	fake "github.com/fairlead-ci/fairlead/internal/fake/github"
)

// job is an environment of a job of acme/shop, with a requirements file that has
// a finding, and the double of GitHub behind it.
type job struct {
	t    *testing.T
	srv  *fake.Server
	env  map[string]string
	path string
}

func newJob(t *testing.T, event, payload string) *job {
	t.Helper()
	srv, err := fake.Start(context.Background(), "acme/shop")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"app/requirements.txt": "django>=4\n", "event.json": payload, "out": "", "summary": ""} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		srv.Close()
		if _, invalid, _ := srv.Requests(); len(invalid) > 0 {
			t.Errorf("against GitHub's API description: %q", invalid)
		}
	})
	return &job{t, srv, map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": event, "GITHUB_EVENT_PATH": filepath.Join(dir, "event.json"), "GITHUB_REPOSITORY": "acme/shop",
		"GITHUB_SHA": strings.Repeat("b", 40), "GITHUB_RUN_ID": "7", "GITHUB_API_URL": srv.URL, "INPUT_GITHUB-TOKEN": "ghs_x",
		"GITHUB_OUTPUT": filepath.Join(dir, "out"), "GITHUB_STEP_SUMMARY": filepath.Join(dir, "summary"),
	}, filepath.Join(dir, "app")}
}

func (j *job) run(args ...string) (code int, stdout, stderr string) {
	var out, errb bytes.Buffer
	code = Run(j.t.Context(), Env{Args: args, Stdout: &out, Stderr: &errb, Getenv: func(k string) string { return j.env[k] }})
	return code, out.String(), errb.String()
}

const pullRequest = `{"repository": {"full_name": "acme/shop"}, "pull_request": {"number": 3, "head": {"sha": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "repo": {"full_name": "acme/shop"}}, "base": {"sha": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}}}`

func TestFindingsBecomeACheckRunAndOneComment(t *testing.T) {
	j := newJob(t, "pull_request", pullRequest)
	for range 2 { // the second run of the job changes nothing
		code, stdout, stderr := j.run("pin-check", j.path, "--comment")
		if code != 1 || strings.Contains(stderr, "note:") {
			t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
		}
		if !strings.Contains(stdout, "::add-mask::ghs_x") {
			t.Error("the token is not masked")
		}
	}
	checks, annotations, _, comments, _ := j.srv.Counts()
	if checks != 1 || annotations != 1 || comments != 1 {
		t.Errorf("%d check runs, %d annotations, %d comments\n%s", checks, annotations, comments, j.srv.Dump())
	}
	// On the commit that people wrote, not on the merge that GitHub tries out.
	if d := j.srv.Dump(); !strings.Contains(d, "on aaaaaaa") || !strings.Contains(d, "1 error in 1 subject") {
		t.Errorf("dump:\n%s", d)
	}
}

func TestReadOnlyToken(t *testing.T) {
	for _, c := range []struct {
		name   string
		scopes []string
		notes  int
		want   string
	}{
		{"a fork's", nil, 1, ""},
		{"statuses only", []string{"statuses: write"}, 0, "status "},
	} {
		j := newJob(t, "pull_request", pullRequest)
		j.srv.Scopes = map[string][]string{"ghs_x": c.scopes}
		code, stdout, stderr := j.run("pin-check", j.path)
		if code != 1 || !strings.Contains(stdout, "::error ") {
			t.Errorf("%s: exit code %d, without annotations\n%s", c.name, code, stdout)
		}
		if n := strings.Count(stderr, "note:"); n != c.notes {
			t.Errorf("%s: %d notes, want %d\n%s", c.name, n, c.notes, stderr)
		}
		if d := j.srv.Dump(); !strings.HasPrefix(d, c.want) || c.want == "" && d != "" {
			t.Errorf("%s: GitHub shows\n%s", c.name, d)
		}
	}
	j := newJob(t, "pull_request", pullRequest)
	j.env["INPUT_GITHUB-TOKEN"] = ""
	if code, _, stderr := j.run("pin-check", j.path); code != 1 || strings.Contains(stderr, "note:") {
		t.Errorf("without a token: exit code %d\n%s", code, stderr)
	}
	if n, _, _ := j.srv.Requests(); n != 0 {
		t.Errorf("without a token: %d requests", n)
	}
}

// A pull request's files are not read with the rights of the repository.
func TestPullRequestTarget(t *testing.T) {
	for _, tool := range []string{"pin-check", "check", "build-image"} {
		j := newJob(t, "pull_request_target", pullRequest)
		code, _, stderr := j.run(tool, j.path)
		if code != 2 || !strings.Contains(stderr, "with the rights of acme/shop") || !strings.Contains(stderr, "run it on pull_request") {
			t.Errorf("%s: exit code %d\n%s", tool, code, stderr)
		}
		if n, _, _ := j.srv.Requests(); n != 0 {
			t.Errorf("%s: %d requests", tool, n)
		}
	}
	// The base's own files may be looked at.
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("NOT TESTED: no git")
	}
	j := newJob(t, "pull_request_target", pullRequest)
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "x"}} {
		if out, err := exec.Command("git", append([]string{"-C", j.path}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	head, err := exec.Command("git", "-C", j.path, "rev-parse", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	j.env["GITHUB_SHA"] = strings.TrimSpace(string(head))
	if code, _, stderr := j.run("pin-check", j.path); code != 1 {
		t.Errorf("the base: exit code %d\n%s", code, stderr)
	}
}

// TestACancelledRun: a run that GitHub calls cancelled holds nobody up.
func TestACancelledRun(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("NOT TESTED: no git")
	}
	j := newJob(t, "push", `{"repository": {"full_name": "acme/shop"}}`)
	ledger := filepath.Join(t.TempDir(), "ledger.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", ledger).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	promote := func(run, digit string, more ...string) (int, string) {
		j.env["GITHUB_RUN_ID"] = run
		args := []string{"promote", "localhost/web@sha256:" + strings.Repeat(digit, 64), "--to", "production", "--target", "command", "--command", "true", "--no-tags", "--ledger", ledger, "--format", "text"}
		code, stdout, stderr := j.run(append(args, more...)...)
		return code, stdout + stderr
	}
	if code, said := promote("6", "1"); code != 0 {
		t.Fatal(said)
	}
	if code, said := promote("7", "2", "--canary"); code != 0 {
		t.Fatal(said)
	}
	for _, c := range []struct {
		set  func()
		code int
		want string
	}{
		{func() {}, 1, "needs actions: read"},
		{func() { j.srv.SetRun(7, "") }, 1, "run 7 is moving"},
		{func() { j.srv.SetRun(7, "cancelled") }, 0, "was left behind when its run ended (cancelled) and is taken over"},
	} {
		c.set()
		if code, said := promote("8", "3"); code != c.code || !strings.Contains(said, c.want) {
			t.Errorf("exit code %d, want %d and %q\n%s", code, c.code, c.want, said)
		}
	}
}
