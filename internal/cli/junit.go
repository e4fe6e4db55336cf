package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/gha"
	"github.com/fairlead-ci/fairlead/internal/junit"
)

// junitCmd is the definition of junit.
type junitCmd struct {
	Report []string `arg:"" optional:"" help:"Test reports in JUnit XML, such as those of shards; a folder stands for the *.xml files below it."`
	Output string   `help:"Write the merged report to this file." placeholder:"FILE"`
	reportFlags
}

type junitDocument struct {
	Schema  int             `json:"schema"`
	Tool    string          `json:"tool"`
	Verdict finding.Verdict `json:"verdict"`
	*junit.Report
}

func (c *junitCmd) run(_ context.Context, _ *session) (*outcome, error) {
	files, err := reports(c.Report)
	if err != nil {
		return nil, err
	}
	var all []*junit.Report
	for _, f := range files {
		r, err := readReport(f)
		if err != nil {
			return nil, failure.New(failure.Usage, "", "%s: %w", f, err)
		}
		all = append(all, r)
	}
	merged := junit.Merge(all...)
	if c.Output != "" {
		w, err := os.Create(c.Output)
		if err == nil {
			err = merged.Write(w)
			if cerr := w.Close(); err == nil {
				err = cerr
			}
		}
		if err != nil {
			return nil, failure.New(failure.Usage, "", "--output: %w", err)
		}
	}
	doc := junitDocument{1, "junit", finding.Pass, merged}
	if merged.Failures > 0 {
		doc.Verdict = finding.Fail
	}
	return &outcome{verdict: doc.Verdict, document: doc, headline: merged.String(), text: func(w io.Writer) error { return testText(w, merged, len(files)) },
		annotations: testAnnotations(merged, ""), summary: testSummary(merged), report: &c.reportFlags,
		outputs: []pair{{"verdict", string(doc.Verdict)}, {"tests", fmt.Sprint(merged.Tests)}, {"failures", fmt.Sprint(merged.Failures)}, {"skipped", fmt.Sprint(merged.Skipped)}}}, nil
}

// reports are the files that the arguments name.
func reports(args []string) ([]string, error) {
	var out []string
	for _, a := range args {
		if !isDir(a) {
			out = append(out, a)
			continue
		}
		err := filepath.WalkDir(a, func(p string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && strings.HasSuffix(p, ".xml") {
				out = append(out, p)
			}
			return err
		})
		if err != nil {
			return nil, failure.New(failure.Usage, "", "%w", err)
		}
	}
	if len(out) == 0 {
		return nil, failure.New(failure.Usage, "no test ran, or none left a report: a green result would say something that nobody knows", "no test report in %q", args)
	}
	return out, nil
}

func readReport(path string) (*junit.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, junit.MaxSize+1))
	if err != nil {
		return nil, err
	}
	return junit.Parse(data)
}

func testText(w io.Writer, r *junit.Report, files int) error {
	fmt.Fprintf(w, "junit  %s in %.1f s, from %d reports\n", r, r.Seconds, files)
	for _, f := range r.Failed {
		fmt.Fprintf(w, "  FAILED  %s  %s\n", finding.PrintableLine(f.Name), finding.PrintableLine(f.Message))
	}
	return nil
}

// testAnnotations show failed tests where they stand, as far as the report says.
func testAnnotations(r *junit.Report, folder string) []gha.Annotation {
	var out []gha.Annotation
	for _, f := range r.Failed {
		a := gha.Annotation{Level: gha.LevelError, Title: "FAILED " + finding.PrintableLine(f.Name), Message: finding.Printable(strings.TrimSpace(f.Message + "\n" + f.Text))}
		if f.File != "" && !path.IsAbs(f.File) && !strings.HasPrefix(path.Clean(f.File), "..") {
			a.Path, a.Line = path.Join(folder, f.File), f.Line+1 // pytest counts from 0
		}
		out = append(out, a)
	}
	return out
}

func testSummary(r *junit.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**tests: %s**\n", r)
	if len(r.Failed) > 0 {
		b.WriteString("\n| failed | |\n|---|---|\n")
	}
	for i, f := range r.Failed {
		if i == 100 {
			fmt.Fprintf(&b, "| and %d more | |\n", len(r.Failed)-i)
			break
		}
		first, _, _ := strings.Cut(f.Message, "\n")
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(finding.PrintableLine(f.Name), "`", "'"), cell(finding.PrintableLine(first)))
	}
	return b.String()
}
