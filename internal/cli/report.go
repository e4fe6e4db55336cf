package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/gha"
	"github.com/fairlead-ci/fairlead/internal/github"
	"github.com/fairlead-ci/fairlead/internal/promote"
	"github.com/fairlead-ci/fairlead/internal/version"
)

// reportFlags say what a tool writes to GitHub beyond annotations and summary.
// Without a token nothing of it happens.
type reportFlags struct {
	CheckName string `help:"Name of the check run on GitHub; the tool's, with its folder in a monorepo, if not given." placeholder:"NAME"`
	NoReport  bool   `help:"Write no check run."`
	Comment   bool   `help:"Keep one comment on the pull request up to date with the result."`
}

// sarifFlags are for tools whose findings stand in files.
type sarifFlags struct {
	Sarif string `help:"Also write the findings as SARIF 2.1.0 to this file, for code scanning." placeholder:"FILE"`
}

// write makes the file, if one is asked for.
func (f sarifFlags) write(out *outcome) error {
	out.outputs = append(out.outputs, pair{"sarif", f.Sarif})
	if f.Sarif == "" {
		return nil
	}
	w, err := os.Create(f.Sarif)
	if err != nil {
		return failure.New(failure.Usage, "", "--sarif: %w", err)
	}
	if err := errors.Join(out.sarif(w), w.Close()); err != nil {
		return failure.New(failure.Usage, "", "--sarif: %w", err)
	}
	return nil
}

// api is the client for the repository that the job belongs to; nil without a
// token or outside Actions.
func (s *session) api() (*github.Client, error) {
	token, repo := s.githubToken(), s.Getenv("GITHUB_REPOSITORY")
	if !s.gha.Active() || token == "" || repo == "" {
		return nil, nil
	}
	return github.New(github.Options{API: s.Getenv("GITHUB_API_URL"), Repository: repo, Token: token, UserAgent: "fairlead/" + version.Version, Transport: s.transport()})
}

func (s *session) transport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxResponseHeaderBytes = 256 << 10
	return t
}

// runURL is the page of this run.
func (s *session) runURL() string {
	if id := s.Getenv("GITHUB_RUN_ID"); id != "" && s.Getenv("GITHUB_REPOSITORY") != "" {
		return s.githubServer() + "/" + s.Getenv("GITHUB_REPOSITORY") + "/actions/runs/" + id
	}
	return ""
}

// report writes the outcome to GitHub. What the token may not do is said once
// and done without: annotations, summary and exit code say the same.
func (s *session) report(ctx context.Context, tool string, out *outcome) {
	f := out.report
	if f == nil || s.format != "github" {
		return
	}
	api, err := s.api()
	if err != nil || api == nil {
		s.note(err)
		return
	}
	event, err := s.gha.Event()
	if err != nil {
		s.note(err)
		return
	}
	if !f.NoReport && event.Head != "" {
		s.note(s.checkRun(ctx, api, tool, event, f, out))
	}
	if f.Comment && event.Number > 0 {
		_, err := api.Comment(ctx, event.Number, f.name(tool, out.folder), "", out.summary+"\n\n"+s.runURL())
		s.note(err)
	}
}

// name is the check run's.
func (f reportFlags) name(tool, folder string) string {
	if f.CheckName != "" {
		return f.CheckName
	}
	if folder != "" && folder != "." {
		return "fairlead / " + tool + " (" + folder + ")"
	}
	return "fairlead / " + tool
}

func (s *session) checkRun(ctx context.Context, api *github.Client, tool string, event gha.Event, f *reportFlags, out *outcome) error {
	conclusion := map[finding.Verdict]string{finding.Pass: "success", finding.Fail: "failure", finding.Inconclusive: "neutral"}[out.verdict]
	title := firstOf(out.headline, string(out.verdict))
	r := github.CheckRun{Name: f.name(tool, out.folder), SHA: event.Head, Conclusion: conclusion, Title: title, Summary: firstOf(out.summary, title), DetailsURL: s.runURL(),
		Key: strings.Join([]string{s.Getenv("GITHUB_RUN_ID"), s.Getenv("GITHUB_RUN_ATTEMPT"), s.Getenv("GITHUB_JOB"), s.Getenv("GITHUB_ACTION"), tool, out.folder}, "/")}
	for _, a := range out.annotations {
		if a.Path == "" {
			continue // a check run's annotations need a file
		}
		level := map[gha.Level]string{gha.LevelError: "error", gha.LevelWarning: "warning"}[a.Level]
		r.Annotations = append(r.Annotations, github.Annotation{Level: level, Path: a.Path, Line: a.Line, EndLine: a.EndLine, Column: a.Column, EndColumn: a.EndColumn, Title: a.Title, Message: a.Message})
	}
	_, err := api.Check(ctx, r)
	var no *github.ErrForbidden
	if !errors.As(err, &no) {
		return err
	}
	state := map[string]string{"success": "success", "failure": "failure", "neutral": "pending"}[conclusion]
	if api.Status(ctx, event.Head, r.Name, state, title, r.DetailsURL) == nil {
		return nil
	}
	return fmt.Errorf("%w; the result stands in the annotations, the summary and the exit code", err)
}

// note says what could not be reported; it never fails a tool.
func (s *session) note(err error) {
	if err != nil {
		s.logf("note: %s", finding.Printable(err.Error()))
	}
}

// refuseForeign stops a tool that would read a stranger's files with this
// repository's rights: under pull_request_target, or in a workflow_run after a
// pull request, only the repository's own commit may be looked at.
func (s *session) refuseForeign(ctx context.Context, folder string) error {
	event, err := s.gha.Event()
	if err != nil || !event.Foreign {
		return err
	}
	head, err := exec.CommandContext(ctx, "git", "-C", folder, "rev-parse", "HEAD").Output()
	if err == nil && strings.TrimSpace(string(head)) == event.SHA && event.SHA != event.Head {
		return nil // the base's own files
	}
	return failure.New(failure.Usage, "run it on pull_request, which needs no secrets: the result is the same",
		"%s: this would read the files of %s with the rights of %s", event.Name, firstOf(event.Head, "the pull request"), event.Repository)
}

// recorder shows promotions as GitHub's deployments.
type recorder struct {
	s   *session
	api *github.Client
}

// Record implements promote.Recorder.
func (r recorder) Record(ctx context.Context, p promote.Record) error {
	return r.api.Deploy(ctx, github.Deployment{Environment: p.Environment, SHA: p.Commit, Key: p.Key, State: p.State, Description: p.Description,
		LogURL: r.s.runURL(), URL: p.URL, Run: r.s.Getenv("GITHUB_RUN_ID")})
}
