package reqfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// parseOptions reads the options of a line; what optparse refuses is a problem
// and ends the line.
func (p *parser) parseOptions(src *source, l *logical, toks []token) []option {
	out, bad, err := optparse(toks)
	if err != nil {
		p.problem(src.span(l, bad.start, bad.end), "%s", p.unexpanded(src, l, bad, err))
	}
	return out
}

// unexpanded is an error's message, without the value of a variable that the
// word came from: values can be secrets.
func (p *parser) unexpanded(src *source, l *logical, t token, err error) string {
	if l.expanded {
		return "pip does not understand this option (a variable's value stands in it)"
	}
	return err.Error()
}

// requirementOptions reads the options behind a requirement: pip honours --hash
// and --config-settings there and ignores the rest.
func (p *parser) requirementOptions(src *source, l *logical, toks []token) []Hash {
	var hashes []Hash
	for _, o := range p.parseOptions(src, l, toks) {
		switch o.name {
		case "--hash":
			if h, ok := p.hash(src, l, o); ok && h.Hex != "" {
				hashes = append(hashes, h)
			}
		case "--config-settings":
		default:
			p.set.Items = append(p.set.Items, Item{Kind: Ignored, Name: o.name, Value: o.value, Pos: src.span(l, o.start, o.end), Text: o.name, From: src.from})
		}
	}
	return hashes
}

// hash reads a --hash; one that pip refuses is not ok, one of the wrong length,
// which pip would notice only when it compares, has no Hex.
func (p *parser) hash(src *source, l *logical, o option) (h Hash, ok bool) {
	algo, hexdigest, ok := strings.Cut(o.value, ":")
	digits := HashDigits(algo)
	switch {
	case !ok || digits == 0:
		p.problem(src.span(l, o.start, o.end), "%s is no hash that pip accepts: it is sha256:, sha384: or sha512: and hex digits", l.quote(o.value))
		return Hash{}, false
	case !IsHash(algo, hexdigest):
		p.problem(src.span(l, o.start, o.end), "malformed hash %s: %s has %d hex digits", l.quote(o.value), algo, digits)
		return Hash{}, true
	}
	return Hash{algo, strings.ToLower(hexdigest)}, true
}

// HashDigits is how many hex digits a hash of an algorithm has that pip accepts
// in --hash and in the fragment of a URL; 0 for any other algorithm.
func HashDigits(algo string) int {
	switch algo {
	case "sha256":
		return 64
	case "sha384":
		return 96
	case "sha512":
		return 128
	}
	return 0
}

// IsHash says whether text is a hash of an algorithm that pip accepts.
func IsHash(algo, hex string) bool {
	digits := HashDigits(algo)
	return digits > 0 && len(hex) == digits && isHex(hex)
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; c-'0' > 9 && (c|0x20)-'a' > 5 {
			return false
		}
	}
	return true
}

// options reads a line that is all options. As in pip, the first -e makes it a
// requirement and the rest idle; else the first -r, or the first -c where there
// is no -r, includes a file and the rest idles; else all options count.
func (p *parser) options(src *source, l *logical, toks []token) {
	all := p.parseOptions(src, l, toks)
	first := func(name string) int {
		return slices.IndexFunc(all, func(o option) bool { return o.name == name })
	}
	chosen := first("--editable")
	if chosen < 0 {
		chosen = first("--requirement")
	}
	if chosen < 0 {
		chosen = first("--constraint")
	}
	for i, o := range all {
		at := src.span(l, o.start, o.end)
		switch {
		case i == chosen && o.name == "--editable":
			it := p.requirement(src, l, o.value, min(o.vstart, len(l.text)))
			it.Kind, it.Pos, it.Text = Editable, at, o.value
			p.set.Items = append(p.set.Items, it)
		case i == chosen:
			p.include(src, l, o, at)
		case chosen >= 0:
			p.set.Items = append(p.set.Items, Item{Kind: Ignored, Name: o.name, Value: o.value, Pos: at, Text: o.name, From: src.from})
		case o.name == "--hash":
			if _, ok := p.hash(src, l, o); ok {
				p.problem(at, "--hash belongs behind a requirement, on the same line")
			}
		default:
			p.set.Items = append(p.set.Items, Item{Kind: Option, Name: o.name, Value: o.value, Pos: at, Text: o.name, From: src.from, Constraint: src.constraint})
		}
	}
}

func (p *parser) include(src *source, l *logical, o option, at Pos) {
	constraint := o.name == "--constraint"
	if isRemote().MatchString(o.value) {
		p.set.Items = append(p.set.Items, Item{Kind: Remote, Name: o.name, Value: o.value, Text: o.value, Pos: at, Constraint: constraint, From: src.from})
		return
	}
	name := path.Join(path.Dir(src.path), o.value)
	switch {
	case path.IsAbs(o.value) || !fs.ValidPath(name):
		p.problem(at, "%s leads out of the checked folder and is not read", l.quote(o.value))
		return
	case slices.Contains(src.stack, name):
		p.problem(at, "%s recursively references itself", l.quote(o.value))
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
		p.problem(at, "%s %s", l.quote(o.value), msg)
	}
}
