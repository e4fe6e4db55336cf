package project

import (
	"regexp"
	"strings"
)

// pathGlob translates a pattern as setuptools does for MANIFEST.in and package
// data: "*" and "?" stay within a folder, "**" spans folders, hidden files are
// not special (setuptools/command/egg_info.py, translate_pattern).
func pathGlob(pattern string) (*regexp.Regexp, error) {
	chunks := strings.Split(pattern, "/")
	var b strings.Builder
	b.WriteString(`(?s)^`)
	for i, chunk := range chunks {
		last := i == len(chunks)-1
		switch {
		case chunk == "**" && last:
			b.WriteString(`.*`)
		case chunk == "**":
			b.WriteString(`(?:[^/]+/)*`)
		default:
			translate(&b, chunk, `[^/]`)
			if !last {
				b.WriteByte('/')
			}
		}
	}
	b.WriteString(`$`)
	return regexp.Compile(b.String())
}

// nameGlob translates a pattern as Python's fnmatch does: "*" spans everything.
func nameGlob(pattern string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`(?s)^`)
	translate(&b, pattern, `.`)
	b.WriteString(`$`)
	return regexp.Compile(b.String())
}

func translate(b *strings.Builder, chunk, one string) {
	for i := 0; i < len(chunk); i++ {
		switch c := chunk[i]; c {
		case '*':
			b.WriteString(one + "*")
		case '?':
			b.WriteString(one)
		case '[':
			end := closing(chunk, i)
			if end < 0 {
				b.WriteString(`\[`)
				continue
			}
			inner := chunk[i+1 : end]
			b.WriteByte('[')
			if inner[0] == '!' {
				b.WriteByte('^')
				inner = inner[1:]
			}
			b.WriteString(strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `^`, `\^`, `&`, `\&`).Replace(inner))
			b.WriteByte(']')
			i = end
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
}

// closing finds the end of a character class that begins at i, or -1.
func closing(s string, i int) int {
	j := i + 1
	if j < len(s) && s[j] == '!' {
		j++
	}
	if j < len(s) && s[j] == ']' {
		j++
	}
	for j < len(s) && s[j] != ']' {
		j++
	}
	if j >= len(s) || s[i+1:j] == "!" {
		return -1
	}
	return j
}

// matcher answers for a set of patterns.
type matcher []*regexp.Regexp

func compile(patterns []string, with func(string) (*regexp.Regexp, error)) (matcher, error) {
	var m matcher
	for _, p := range patterns {
		r, err := with(p)
		if err != nil {
			return nil, err
		}
		m = append(m, r)
	}
	return m, nil
}

func (m matcher) match(s string) bool {
	for _, r := range m {
		if r.MatchString(s) {
			return true
		}
	}
	return false
}
