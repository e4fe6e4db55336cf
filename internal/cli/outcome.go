package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/gha"
)

// outcome is a command's answer in every form it can be printed.
type outcome struct {
	verdict finding.Verdict
	// headline is the answer in one line, for a list of several answers.
	headline string
	// document is the one JSON document of --format json.
	document any
	// text prints the answer for people.
	text func(io.Writer) error
	// sarif prints the findings as SARIF 2.1.0; nil where there are none.
	sarif func(io.Writer) error
	// annotations, summary and outputs are for --format github.
	annotations []gha.Annotation
	summary     string
	outputs     []pair
	// report says what is written to GitHub; nil for nothing. folder is what the
	// tool looked at, for the check run's name.
	report *reportFlags
	folder string
}

type pair struct{ name, value string }

// errorDocument is the JSON document of a run that ended without an answer.
type errorDocument struct {
	Schema int    `json:"schema"`
	Tool   string `json:"tool"`
	Error  struct {
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
		Code    int    `json:"code"`
	} `json:"error"`
}

// finish prints the answer, then the error if there is one, and returns the
// exit code: the error's, else the verdict's.
func (s *session) finish(tool string, out *outcome, err error) failure.Code {
	if out == nil {
		if err == nil {
			err = fmt.Errorf("%s gave no answer", tool)
		}
		return s.fail(tool, err)
	}
	if perr := s.print(out); perr != nil && err == nil {
		err = perr
	}
	if err != nil {
		s.printError(tool, err)
		return failure.CodeOf(err)
	}
	switch out.verdict {
	case finding.Pass:
		return failure.OK
	case finding.Inconclusive:
		return failure.Inconclusive
	default:
		return failure.Answer
	}
}

func (s *session) print(out *outcome) error {
	switch s.format {
	case "json":
		return writeJSON(s.Stdout, out.document)
	case "sarif":
		return out.sarif(s.Stdout)
	case "github":
		// The text quotes files and names that anybody may have written.
		err := s.gha.Foreign(func() error { return out.text(s.Stdout) })
		s.gha.Annotate(out.annotations)
		err = errors.Join(err, s.gha.Summary(out.summary))
		for _, o := range out.outputs {
			err = errors.Join(err, s.gha.Output(o.name, o.value))
		}
		return err
	default:
		return out.text(s.Stdout)
	}
}

// fail reports an error that left no answer.
func (s *session) fail(tool string, err error) failure.Code {
	code := failure.CodeOf(err)
	if s.format == "json" {
		doc := errorDocument{Schema: 1, Tool: tool}
		doc.Error.Message, doc.Error.Hint, doc.Error.Code = err.Error(), failure.HintOf(err), int(code)
		_ = writeJSON(s.Stdout, doc)
	}
	s.printError(tool, err)
	return code
}

// printError prints "tool: what" and the next step, indented, on stderr; inside
// Actions also as an annotation.
func (s *session) printError(tool string, err error) {
	if tool == "" {
		tool = "fairlead"
	}
	msg, hint := finding.Printable(err.Error()), finding.Printable(failure.HintOf(err))
	fmt.Fprintf(s.Stderr, "%s: %s\n", tool, indent(msg))
	if hint != "" {
		fmt.Fprintf(s.Stderr, "  %s\n", indent(hint))
	}
	if s.format == "github" {
		text := msg
		if hint != "" {
			text += "\n" + hint
		}
		s.gha.Annotate([]gha.Annotation{{Level: gha.LevelError, Title: "fairlead " + tool, Message: text}})
	}
}

// indent keeps the further lines of a message under its first one.
func indent(s string) string { return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ") }

func writeJSON(w io.Writer, v any) error { return finding.WriteJSON(w, v) }

// line prints one line of text.
func line(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := fmt.Fprintln(w, finding.Printable(text))
		return err
	}
}
