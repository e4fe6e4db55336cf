// Package fresh says whether a lock still fits its manifest, offline and with no
// Python tool installed, by each tool's own algorithm in all its generations:
// poetry's and pdm's content hashes, pipenv's Pipfile hash, uv's comparison of
// declarations, the comments of pip-compile and uv in requirements files.
//
// The verdict is the native tool's: poetry check --lock, pdm lock --check,
// pipenv verify, uv lock --check. Where a tool would ask the network or build
// something, the verdict is Unknown with the reason.
package fresh

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/fairlead-ci/fairlead/internal/python/document"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

// Verdict is the answer about a lock.
type Verdict string

// The verdicts.
const (
	Fresh   Verdict = "fresh"
	Stale   Verdict = "stale"
	Unknown Verdict = "unknown" // cannot be told offline
)

// Result is the answer about one lock.
type Result struct {
	Verdict Verdict
	Lock    string // path of the lock
	// Manifest is the path of what the lock was made from, "" where unknown.
	Manifest string
	// By says which algorithm decided: "poetry 2.3 content-hash".
	By string
	// Reasons say why it is stale or cannot be told, at most a few lines, each a
	// phrase. A fresh lock may have one that a person should know.
	Reasons []string
	// Line is where in the lock the compared value stands, 0 where it does not.
	Line int
	// Update is the command that makes it fresh, "" where unknown.
	Update string
}

// Options of Check.
type Options struct {
	// DefaultIndex is the simple URL of the index that pipenv writes into the
	// hash of a Pipfile without [[source]]; nil or an error: such a Pipfile's
	// lock cannot be told.
	DefaultIndex func() (string, error)
}

// Check compares the lock at name in fsys with the manifest beside it. A lock or
// manifest that cannot be read is an error; a missing manifest is a verdict.
func Check(fsys fs.FS, name string, o Options) (Result, error) {
	name = path.Clean(name)
	r := Result{Lock: name, Verdict: Unknown}
	data, err := document.Read(fsys, name)
	if err != nil {
		return r, err
	}
	dir := path.Dir(name)
	f := lock.FormatOf(name)
	switch f {
	case lock.Poetry:
		r.Update = "poetry lock"
		err = checkPoetry(fsys, dir, data, &r)
	case lock.PDM:
		r.Update = "pdm lock"
		err = checkPDM(fsys, dir, data, &r)
	case lock.Pipfile:
		r.Update = "pipenv lock"
		err = checkPipfile(fsys, dir, data, o, &r)
	case lock.UV:
		r.Update = "uv lock"
		err = checkUV(fsys, dir, data, &r)
	case lock.Pylock:
		err = checkPylock(fsys, dir, data, &r)
	default:
		err = checkRequirements(fsys, name, data, &r)
	}
	if errors.Is(err, fs.ErrNotExist) {
		r.Verdict = Unknown
		r.because("%s is missing: there is nothing to compare with", r.Manifest)
		return r, nil
	}
	return r, err
}

// maxReasons bounds what a verdict lists.
const maxReasons = 20

func (r *Result) because(format string, args ...any) {
	if len(r.Reasons) < maxReasons {
		r.Reasons = append(r.Reasons, fmt.Sprintf(format, args...))
	}
}

// decide sets fresh or stale.
func (r *Result) decide(fresh bool, by, why string) {
	r.By = by
	if fresh {
		r.Verdict = Fresh
		return
	}
	r.Verdict = Stale
	if why != "" {
		r.because("%s", why)
	}
}

func (r *Result) unknown(format string, args ...any) {
	r.Verdict = Unknown
	r.because(format, args...)
}

func table(v any, keys ...string) map[string]any {
	t, _ := v.(map[string]any)
	for _, k := range keys {
		t, _ = t[k].(map[string]any)
	}
	return t
}

// lineOf is the line of the first occurrence of a value in a file, 0 if none.
func lineOf(data []byte, value string) int {
	i := bytes.Index(data, []byte(value))
	if value == "" || i < 0 {
		return 0
	}
	return bytes.Count(data[:i], []byte("\n")) + 1
}
