package cli

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/fairlead-ci/fairlead/internal/disk"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/gha"
	"github.com/fairlead-ci/fairlead/internal/pin"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/version"
)

// pinCheckCmd is the definition of pin-check.
type pinCheckCmd struct {
	Path           []string `arg:"" optional:"" help:"Folders or files to check; the current folder if not given."`
	List           bool     `help:"List everything that the build consumes, pinned or not."`
	ChangedSince   string   `help:"Check only files that changed since this branch or commit, as a pull request's base." placeholder:"REF"`
	Fix            bool     `help:"Write what pins: commits for actions, digests for images, versions and hashes for requirements, from --online or --resolution." xor:"change"`
	Diff           bool     `help:"Show what --fix would write, and write nothing." xor:"change"`
	Online         bool     `help:"Ask GitHub, registries and the package index: do SHAs belong to their repositories, versions in comments to their SHAs, do images exist."`
	Resolution     string   `help:"File with what --online would be told, for --fix and --diff without a network." placeholder:"FILE"`
	SaveResolution string   `help:"Write what --online was told to this file." placeholder:"FILE"`
	FailOn         string   `enum:"error,warning,never" default:"error" help:"Least severity that fails the check."`
	reportFlags
	sarifFlags
	Ignore []string `help:"Glob of paths to skip, besides .git, virtual environments, node_modules and the like. Repeatable." placeholder:"GLOB"`
}

var _ command = (*pinCheckCmd)(nil)

// rulePages is where a rule's page is found from outside the repository.
const rulePages = "https://github.com/fairlead-ci/fairlead/blob/main/docs/rules/"

func (c *pinCheckCmd) run(ctx context.Context, s *session) (*outcome, error) {
	folder := "."
	if len(c.Path) == 1 {
		folder = c.Path[0]
	}
	if err := s.refuseForeign(ctx, folder); err != nil {
		return nil, err
	}
	root, paths, err := checkedFolder(c.Path)
	if err != nil {
		return nil, err
	}
	fsys := disk.New(root)
	chosen := spendMemory(s.Getenv)
	var files []string
	if c.ChangedSince == "" {
		files = gitFiles(ctx, root)
	} else if files, err = changed(ctx, root, c.ChangedSince); err != nil {
		return nil, err
	}
	cfg := pin.Config{Paths: paths, Files: files, Partial: c.ChangedSince != "", Ignore: c.Ignore, FailOn: c.FailOn, Today: s.Now(), DefaultIndex: index.DefaultURL, Getenv: s.Getenv, Chosen: chosen}
	if err := policyOf(s.settings(), &cfg); err != nil {
		return nil, err
	}
	save, err := c.source(s, &cfg)
	if err != nil {
		return nil, err
	}
	rep, err := pin.Check(ctx, fsys, cfg)
	if err != nil {
		return nil, err
	}
	if err := save(); err != nil {
		return nil, err
	}
	var changes *changes
	if c.Fix || c.Diff {
		if changes, err = changesOf(fsys, rep.Findings); err != nil {
			return nil, err
		}
	}
	if c.Fix && len(changes.files) > 0 {
		if rep, err = changes.writeAll(ctx, root, fsys, cfg); err != nil {
			return nil, err
		}
	}
	source := func(name string) []byte {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil
		}
		return data
	}
	o := &outcome{
		verdict: rep.Verdict, document: rep, headline: finding.Totals(rep.Findings, rep.Scope()),
		summary: finding.Summary("pin-check", rep.Verdict, rep.Findings, rep.Scope(), rulePages),
		text: func(w io.Writer) error {
			if c.List {
				if err := listSubjects(w, rep.Subjects); err != nil {
					return err
				}
			}
			if c.Diff {
				if err := changes.diff(w); err != nil {
					return err
				}
			}
			if err := (finding.Text{Source: source}).Write(w, rep.Findings); err != nil {
				return err
			}
			if len(rep.Findings) > 0 {
				fmt.Fprintln(w)
			}
			if changes != nil {
				fmt.Fprintln(w, changes.sentence(c.Fix))
			}
			_, err := fmt.Fprintln(w, finding.Totals(rep.Findings, rep.Scope()))
			return err
		},
		sarif: func(w io.Writer) error {
			var rules []finding.RuleInfo
			for _, r := range pin.Rules() {
				rules = append(rules, finding.RuleInfo{ID: r.ID, Severity: r.Severity, Title: r.Title})
			}
			return finding.SARIF{Tool: "fairlead pin-check", Version: version.Version, Docs: rulePages, Rules: rules, Source: source}.Write(w, rep.Findings)
		},
		report: &c.reportFlags, folder: folder,
		outputs: []pair{{"verdict", string(rep.Verdict)}, {"errors", fmt.Sprint(finding.Count(rep.Findings, finding.Error))}, {"warnings", fmt.Sprint(finding.Count(rep.Findings, finding.Warning))}},
	}
	if s.format == "github" || s.Getenv("GITHUB_ACTIONS") == "true" {
		for _, a := range finding.Annotations(rep.Findings, rulePages) {
			o.annotations = append(o.annotations, gha.Annotation{Level: gha.Level(a.Level), Path: a.File, Line: a.Line, Column: a.Col, EndLine: a.EndLine, EndColumn: a.EndColumn, Title: a.Title, Message: a.Message})
		}
	}
	return o, c.write(o)
}

// checkedFolder is the folder that findings are relative to, and the paths in
// it: the current folder, unless the one path given lies outside of it.
func checkedFolder(given []string) (root string, paths []string, err error) {
	for _, p := range given {
		if _, err := os.Stat(p); err != nil {
			return "", nil, failure.New(failure.Usage, "", "path %q: it is not there", p)
		}
		rel := filepath.ToSlash(filepath.Clean(p))
		if filepath.IsAbs(p) || rel == ".." || strings.HasPrefix(rel, "../") {
			if len(given) > 1 || !isDir(p) {
				return "", nil, failure.New(failure.Usage, "run from a folder that holds them all", "path %q lies outside the current folder", p)
			}
			return p, nil, nil
		}
		if rel != "." {
			paths = append(paths, path.Clean(rel))
		} else {
			return ".", nil, nil
		}
	}
	return ".", paths, nil
}

// gitFiles lists what git tracks or would track below a folder; nil where there
// is no git, and the tree is walked instead.
func gitFiles(ctx context.Context, root string) []string {
	out, err := exec.CommandContext(ctx, "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil || len(out) == 0 {
		return nil
	}
	return strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
}

// changed lists the files that differ from where the
// current branch left ref; never nil, so that no change checks nothing.
func changed(ctx context.Context, root, ref string) ([]string, error) {
	git := func(args ...string) ([]byte, error) {
		return exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
	}
	if strings.HasPrefix(ref, "-") {
		return nil, failure.New(failure.Usage, "", "--changed-since %q is no branch or commit", ref)
	}
	base, err := git("merge-base", ref, "HEAD")
	if err != nil {
		return nil, failure.New(failure.Usage, "is it fetched? actions/checkout needs fetch-depth: 0", "--changed-since %s: git finds no common commit of it and HEAD", ref)
	}
	tracked, err := git("diff", "--name-only", "-z", "--diff-filter=d", "--relative", strings.TrimSpace(string(base)))
	if err != nil {
		return nil, failure.New(failure.Usage, "", "--changed-since %s: %w", ref, err)
	}
	fresh, err := git("ls-files", "-z", "--others", "--exclude-standard")
	if err != nil {
		return nil, failure.New(failure.Usage, "", "--changed-since %s: %w", ref, err)
	}
	out := []string{}
	for _, name := range strings.Split(string(tracked)+string(fresh), "\x00") {
		if name != "" {
			out = append(out, name)
		}
	}
	return out, nil
}

func listSubjects(w io.Writer, subjects []pin.Subject) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, s := range subjects {
		by := s.By
		if by != "" {
			by = "by " + by
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s:%d:%d\n", s.State, s.Kind, finding.PrintableLine(s.Ref), by, finding.PrintableLine(s.Path), s.Line, s.Column)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
