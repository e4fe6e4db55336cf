package fresh

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/google/shlex"

	"github.com/fairlead-ci/fairlead/internal/python/document"
	"github.com/fairlead-ci/fairlead/internal/python/manifest"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

var compiler = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^#\s+((?:uv pip compile|pip-compile|uv export)\b.*)$`)
})

// checkRequirements compares a compiled requirements file with the files that
// its header names: each requirement there must be pinned here to a version that
// it admits, and no pin here may say it comes from a file that no longer has it.
// pip-compile and uv keep no hash, so more cannot be told.
func checkRequirements(fsys fs.FS, name string, data []byte, r *Result) error {
	m := compiler().FindSubmatch(data[:min(len(data), 8192)])
	if m == nil {
		r.unknown("no header says what the file was compiled from")
		return nil
	}
	r.Update = strings.TrimSpace(string(m[1]))
	r.By = "the header's command"
	if strings.HasPrefix(r.Update, "uv export") {
		r.unknown("it was exported from uv.lock")
		return nil
	}
	sources := inputs(r.Update, path.Base(name))
	if len(sources) == 0 {
		r.unknown("the header names no input file")
		return nil
	}
	set, err := reqfile.Parse(fsys, name, reqfile.Options{})
	if err != nil {
		return err
	}
	pins := map[string][]string{}
	for _, it := range set.Items {
		if it.Kind != reqfile.Named {
			continue
		}
		n := requirement.NormalizeName(it.Requirement.Name)
		v, _ := it.Requirement.Specifiers.Pinned()
		pins[n] = append(pins[n], v)
	}
	wanted := map[string]bool{}
	dir := path.Dir(name)
	stale := false
	for _, src := range sources {
		// The command may have run in the file's folder or in the repository's root.
		at := path.Join(dir, src)
		if _, err := fs.Stat(fsys, at); err != nil {
			at = path.Clean(src)
		}
		r.Manifest = at
		reqs, err := declaredIn(fsys, at)
		if err != nil {
			return err
		}
		for _, q := range reqs {
			n := requirement.NormalizeName(q.Name)
			wanted[n] = true
			switch {
			case len(pins[n]) == 0 && q.Marker == nil:
				r.because("%s asks for %s, which is not in the file", at, q.String())
				stale = true
			case len(pins[n]) > 0 && !anyAdmitted(q.Specifiers, pins[n]):
				r.because("%s asks for %s; the file has %s", at, q.String(), strings.Join(pins[n], ", "))
				stale = true
			}
		}
	}
	for _, n := range directs(data, sources) {
		if !wanted[n] {
			r.because("%s is said to come from %s, which does not ask for it", n, strings.Join(sources, ", "))
			stale = true
		}
	}
	r.decide(!stale, r.By, "")
	return nil
}

// inputs are the files that a compile command reads.
func inputs(command, self string) []string {
	words, err := shlex.Split(command)
	if err != nil {
		return nil
	}
	var out []string
	for i, w := range words {
		isInput := strings.HasSuffix(w, ".in") || strings.HasSuffix(w, ".txt") || path.Base(w) == "pyproject.toml" || path.Base(w) == "setup.cfg"
		if strings.HasPrefix(w, "-") || !isInput || path.Base(w) == self && !strings.HasSuffix(w, ".in") {
			continue
		}
		if i > 0 && slices.Contains([]string{"-o", "--output-file", "-c", "--constraint", "--constraints", "--override", "--overrides", "--build-constraints", "-b"}, words[i-1]) {
			continue
		}
		out = append(out, w)
	}
	return out
}

func anyAdmitted(ss version.Specifiers, versions []string) bool {
	return slices.ContainsFunc(versions, func(s string) bool {
		v, err := version.Parse(s)
		return err != nil || ss.Contains(v, true)
	})
}

// declaredIn reads what an input file asks for.
func declaredIn(fsys fs.FS, name string) ([]requirement.Requirement, error) {
	var out []requirement.Requirement
	if path.Base(name) == "pyproject.toml" {
		p, err := manifest.Read(fsys, name)
		if err != nil {
			return nil, err
		}
		for _, s := range p.Dependencies {
			q, err := requirement.Parse(s)
			if err != nil {
				return nil, err
			}
			out = append(out, q)
		}
		return out, nil
	}
	if path.Base(name) == "setup.cfg" {
		reqs, err := manifest.SetupCfg(fsys, name)
		if err != nil {
			return nil, err
		}
		for _, s := range reqs.Dependencies {
			q, err := requirement.Parse(s)
			if err != nil {
				return nil, err
			}
			out = append(out, q)
		}
		return out, nil
	}
	set, err := reqfile.Parse(fsys, name, reqfile.Options{})
	if err != nil {
		return nil, err
	}
	for _, it := range set.Items {
		if it.Kind == reqfile.Named && !it.Constraint {
			out = append(out, it.Requirement)
		}
	}
	return out, nil
}

var viaLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\s+#\s+(?:via\s+)?-r (\S+)`) })

// directs are the names whose comment says "via -r <input>".
func directs(data []byte, sources []string) []string {
	var out []string
	current := ""
	for _, line := range strings.Split(string(data), "\n") {
		if m := viaLine().FindStringSubmatch(line); m != nil {
			if current != "" && slices.Contains(sources, m[1]) && !slices.Contains(out, current) {
				out = append(out, current)
			}
			continue
		}
		if line == "" || line[0] == ' ' || line[0] == '#' || line[0] == '-' {
			continue
		}
		if i := strings.IndexAny(line, "=[ ;<>!~"); i > 0 {
			current = requirement.NormalizeName(line[:i])
		}
	}
	return out
}

// checkPylock asks what the writing tool keeps: pdm its content hash, uv a
// header.
func checkPylock(fsys fs.FS, dir string, data []byte, r *Result) error {
	var l map[string]any
	if err := document.TOML(r.Lock, data, &l); err != nil {
		return err
	}
	if pdm := table(l, "tool", "pdm"); pdm != nil {
		r.Update = "pdm lock"
		stored, _ := table(pdm, "hashes")["sha256"].(string)
		_, inputs := pdm["lock_inputs"]
		return pdmCompare(fsys, dir, data, stored, inputs, r)
	}
	by, _ := l["created-by"].(string)
	r.unknown("pylock.toml says nothing of its manifest (created by %q)", by)
	return nil
}
