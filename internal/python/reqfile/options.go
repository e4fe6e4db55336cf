package reqfile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// canonical maps pip's short option names to the long ones.
func canonical(name string) string {
	switch name {
	case "-r":
		return "--requirement"
	case "-c":
		return "--constraint"
	case "-e":
		return "--editable"
	case "-i", "--pypi-url":
		return "--index-url"
	case "-f":
		return "--find-links"
	}
	return name
}

// takesValue lists the options that pip accepts in a file, and whether each has
// a value (pip, req_file.py, SUPPORTED_OPTIONS).
func takesValue(name string) (value, known bool) {
	switch name {
	case "--requirement", "--constraint", "--editable", "--index-url", "--extra-index-url", "--find-links", "--no-binary",
		"--only-binary", "--trusted-host", "--use-feature", "--all-releases", "--only-final", "--hash", "--config-settings",
		"--config-setting", "--global-option", "--install-option":
		return true, true
	case "--no-index", "--require-hashes", "--no-require-hashes", "--pre", "--prefer-binary":
		return false, true
	}
	return false, false
}

// option is one parsed option.
type option struct {
	name, value string
	start, end  int // of the whole option in the logical line
	vstart      int // of its value
}

func (p *parser) parseOptions(src *source, l *logical, toks []token) []option {
	var out []option
	for i := 0; i < len(toks); i++ {
		t := toks[i]
		name, value, has := strings.Cut(t.text, "=")
		if len(t.text) > 2 && t.text[0] == '-' && t.text[1] != '-' { // -rfile
			name, value, has = t.text[:2], t.text[2:], true
		}
		vstart := t.start + len(name) + 1
		name = canonical(name)
		needs, known := takesValue(name)
		switch {
		case !known:
			p.problem(src.span(l, t.start, t.end), "pip knows no option %q in a requirements file", t.text)
			continue
		case needs && !has:
			if i+1 == len(toks) {
				p.problem(src.span(l, t.start, t.end), "option %s needs a value", name)
				continue
			}
			i++
			value, vstart = toks[i].text, toks[i].start
		}
		out = append(out, option{name, value, t.start, toks[i].end, vstart})
	}
	return out
}

// requirementOptions reads the options behind a requirement: pip honours --hash
// and --config-settings there and ignores the rest.
func (p *parser) requirementOptions(src *source, l *logical, toks []token) []Hash {
	var hashes []Hash
	for _, o := range p.parseOptions(src, l, toks) {
		at := src.span(l, o.start, o.end)
		switch o.name {
		case "--hash":
			algo, hexdigest, ok := strings.Cut(o.value, ":")
			if !ok || !slices.Contains([]string{"sha256", "sha384", "sha512"}, algo) {
				p.problem(at, "%q is no hash that pip accepts: it is sha256:, sha384: or sha512: and hex digits", o.value)
				continue
			}
			if want := map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}[algo]; len(hexdigest) != want || !isHex(hexdigest) {
				p.problem(at, "malformed hash %q: %s has %d hex digits", o.value, algo, want)
				continue
			}
			hashes = append(hashes, Hash{algo, strings.ToLower(hexdigest), at})
		case "--config-settings", "--config-setting", "--global-option", "--install-option":
		default:
			p.set.Items = append(p.set.Items, Item{Kind: Ignored, Name: o.name, Value: o.value, Pos: at, Text: o.name, From: src.from})
		}
	}
	return hashes
}

func isHex(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil
}

// options reads a line that is all options.
func (p *parser) options(src *source, l *logical, toks []token) {
	included := false
	for _, o := range p.parseOptions(src, l, toks) {
		at := src.span(l, o.start, o.end)
		switch o.name {
		case "--requirement", "--constraint":
			if included {
				// pip follows only the first -r or -c of a line.
				p.set.Items = append(p.set.Items, Item{Kind: Ignored, Name: o.name, Value: o.value, Pos: at, Text: o.value, From: src.from})
				continue
			}
			included = true
			p.include(src, o, at)
		case "--editable":
			it := p.requirement(src, l, o.value, min(o.vstart, len(l.text)))
			it.Kind, it.Pos, it.Text = Editable, at, o.value
			p.set.Items = append(p.set.Items, it)
		case "--hash":
			p.problem(at, "--hash belongs behind a requirement, on the same line")
		default:
			p.set.Items = append(p.set.Items, Item{Kind: Option, Name: o.name, Value: o.value, Pos: at, Text: o.name, From: src.from, Constraint: src.constraint})
		}
	}
}

func (p *parser) include(src *source, o option, at Pos) {
	constraint := o.name == "--constraint"
	if anyScheme.MatchString(o.value) {
		p.set.Items = append(p.set.Items, Item{Kind: Remote, Name: o.name, Value: o.value, Text: o.value, Pos: at, Constraint: constraint, From: src.from})
		return
	}
	name := path.Join(path.Dir(src.path), o.value)
	switch {
	case path.IsAbs(o.value) || !fs.ValidPath(name):
		p.problem(at, "%q leads out of the checked folder and is not read", o.value)
		return
	case slices.Contains(src.stack, name):
		p.problem(at, "%q recursively references itself", o.value)
		return
	case len(p.set.Files) >= maxFiles:
		p.problem(at, "more than %d files are included", maxFiles)
		return
	}
	key := name
	if constraint || src.constraint {
		key = "-c " + name
	}
	if p.seen[key] {
		return // a diamond is fine; its items are there already
	}
	p.seen[key] = true
	from := fmt.Sprintf("%s:%d", src.path, at.Line)
	if err := p.file(name, constraint || src.constraint, from, src.stack); err != nil {
		msg := "cannot be read"
		if errors.Is(err, fs.ErrNotExist) {
			msg = "does not exist"
		}
		p.problem(at, "%q %s", o.value, msg)
	}
}
