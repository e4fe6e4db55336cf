package sbom

import (
	_ "embed"
	"strings"
)

// License is what a package says of its licence.
type License struct {
	// Expression is a valid SPDX licence expression, "" where there is none.
	Expression string
	// Text is what it says instead, when that is no expression.
	Text string
}

// maxText bounds what is repeated of a licence's text.
const maxText = 32 << 10

// ReadLicense reads the core metadata's License-Expression (PEP 639), else its
// older License field, else its classifiers.
func ReadLicense(expression, license string, classifiers []string) License {
	for _, s := range []string{expression, license} {
		if e, ok := normalExpression(s); ok {
			return License{Expression: e}
		}
	}
	var known, other []string
	for _, c := range classifiers {
		rest, ok := strings.CutPrefix(c, "License :: ")
		if !ok {
			continue
		}
		rest = strings.TrimPrefix(rest, "OSI Approved :: ")
		if id := classified[rest]; id != "" {
			known = append(known, id)
		} else if rest != "OSI Approved" {
			other = append(other, rest)
		}
	}
	// Several classifiers do not say whether all hold or one may be chosen.
	if len(known) == 1 && len(other) == 0 {
		return License{Expression: known[0]}
	}
	text := strings.TrimSpace(strings.ToValidUTF8(license, "\uFFFD"))
	if text == "" || strings.EqualFold(text, "UNKNOWN") {
		text = strings.Join(append(known, other...), "; ")
	}
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + " …"
	}
	return License{Text: text}
}

// name is a text's first line, for fields that hold a short name.
func (l License) name() string {
	line, _, _ := strings.Cut(l.Text, "\n")
	line = strings.TrimSpace(line)
	if r := []rune(line); len(r) > 120 {
		line = string(r[:120]) + "…"
	}
	return line
}

// classified are the classifiers that name exactly one licence of the list.
var classified = map[string]string{
	"MIT License": "MIT", "MIT No Attribution License (MIT-0)": "MIT-0", "Apache Software License": "Apache-2.0", "ISC License (ISCL)": "ISC",
	"Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1", "Python Software Foundation License": "PSF-2.0",
	"The Unlicense (Unlicense)": "Unlicense", "Zope Public License": "ZPL-2.1", "zlib/libpng License": "Zlib", "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
	"GNU General Public License v2 (GPLv2)": "GPL-2.0-only", "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
	"GNU General Public License v3 (GPLv3)": "GPL-3.0-only", "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
	"GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only", "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
	"GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only", "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
	"GNU Affero General Public License v3": "AGPL-3.0-only", "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
	"Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0", "Historical Permission Notice and Disclaimer (HPND)": "HPND",
}

//go:embed licenses.txt
var listed string

// lists reads the embedded identifiers: by their lower-case form.
func lists() (licenses, exceptions map[string]string) {
	licenses, exceptions = map[string]string{}, map[string]string{}
	into := licenses
	for _, l := range strings.Split(listed, "\n") {
		switch {
		case l == "" || l[0] == '#':
		case l == "WITH":
			into = exceptions
		default:
			into[strings.ToLower(l)] = l
		}
	}
	return licenses, exceptions
}

const (
	maxExpression = 1000
	maxDepth      = 20
)

// normalExpression reads an SPDX licence expression (annex D of the
// specification), case-insensitively as PEP 639 does, and writes it in the
// list's spelling; false: it is none.
func normalExpression(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > maxExpression {
		return "", false
	}
	p := &expression{words: strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s))}
	p.licenses, p.exceptions = lists()
	if !p.any(0) || len(p.words) > 0 {
		return "", false
	}
	return strings.NewReplacer("( ", "(", " )", ")").Replace(strings.Join(p.out, " ")), true
}

type expression struct {
	words, out           []string
	licenses, exceptions map[string]string
}

// next takes a word if it is one of those.
func (p *expression) next(words ...string) bool {
	for _, w := range words {
		if len(p.words) > 0 && strings.EqualFold(p.words[0], w) {
			p.words = p.words[1:]
			p.out = append(p.out, w)
			return true
		}
	}
	return false
}

// any reads terms that AND and OR join.
func (p *expression) any(depth int) bool {
	for {
		if !p.one(depth) {
			return false
		}
		if !p.next("AND", "OR") {
			return true
		}
	}
}

// one reads a licence, perhaps with an exception, or an expression in parentheses.
func (p *expression) one(depth int) bool {
	if p.next("(") {
		return depth < maxDepth && p.any(depth+1) && p.next(")")
	}
	if len(p.words) == 0 {
		return false
	}
	word := p.words[0]
	// LicenseRef-… points into a document that is not ours, and readers do not
	// know "Apache-2.0+": both stay text.
	name, ok := p.licenses[strings.ToLower(word)]
	if !ok {
		return false
	}
	p.words, p.out = p.words[1:], append(p.out, name)
	if p.next("WITH") {
		if len(p.words) == 0 {
			return false
		}
		x, ok := p.exceptions[strings.ToLower(p.words[0])]
		p.words, p.out = p.words[1:], append(p.out, x)
		return ok
	}
	return true
}
