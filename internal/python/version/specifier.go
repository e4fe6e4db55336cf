package version

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// Specifier is one clause such as ">=1.2" or "==1.*".
type Specifier struct {
	Op       string // ~= == != <= >= < > ===
	Version  string // as written, without ".*"
	Wildcard bool   // "==1.*" or "!=1.*"
	v        Version
}

// Specifiers is a comma-separated set of clauses, all of which must hold. The
// empty set admits everything.
type Specifiers []Specifier

// The grammar of one clause's version (packaging, specifiers.py,
// Specifier._specifier_regex_str).
const (
	start      = `v?(?:[0-9]+!)?[0-9]+`
	preForm    = `(?:[-_.]?(?:alpha|beta|preview|pre|a|b|c|rc)[-_.]?[0-9]*)?`
	postForm   = `(?:(?:-[0-9]+)|(?:[-_.]?(?:post|rev|r)[-_.]?[0-9]*))?`
	devForm    = `(?:[-_.]?dev[-_.]?[0-9]*)?`
	localPart  = `(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?`
	suffix     = preForm + postForm + devForm
	equal      = start + `(?:\.[0-9]+)*(?:\.\*|` + suffix + localPart + `)`
	compatible = start + `(?:\.[0-9]+)+` + suffix
	ordered    = start + `(?:\.[0-9]+)*` + suffix
	anything   = `[^\s;)]*`
)

// clauses is the grammar by operator.
var clauses = sync.OnceValue(func() map[string]*regexp.Regexp {
	full := func(s string) *regexp.Regexp { return regexp.MustCompile(`(?i)^(?:` + s + `)$`) }
	o := full(ordered)
	return map[string]*regexp.Regexp{"==": full(equal), "!=": full(equal), "~=": full(compatible), "<=": o, ">=": o, "<": o, ">": o, "===": full(anything)}
})

// prefix is a whole clause at the beginning of a text.
var prefix = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(?:===[\s\v]*` + anything + `|(?:==|!=)[\s\v]*` + equal + `|~=[\s\v]*` + compatible + `|(?:<=|>=|<|>)[\s\v]*` + ordered + `)`)
})

// Prefix is the length of the one clause with which s begins, 0 where it does not
// begin with one. It serves readers of requirements, where the end of a clause
// depends on its operator.
func Prefix(s string) int {
	if op := operator(s); op != "" && op != "===" {
		numbers, rest := leading(strings.TrimLeft(s[len(op):], " \t"))
		if fits(op, numbers) && (rest == "" || strings.IndexByte(" \t,;)", rest[0]) >= 0) {
			return len(s) - len(rest)
		}
	}
	at := prefix().FindStringIndex(s)
	if at == nil {
		return 0
	}
	return at[1]
}

// ParseSpecifiers reads a set such as ">=4.2, <5". Empty clauses are skipped, as
// packaging does.
func ParseSpecifiers(s string) (Specifiers, error) {
	var out Specifiers
	for _, c := range strings.Split(s, ",") {
		if c = strings.TrimSpace(c); c == "" {
			continue
		}
		sp, err := parseClause(c)
		if err != nil {
			return nil, err
		}
		out = append(out, sp)
	}
	return out, nil
}

// operator is the one with which a clause begins, "" for none.
func operator(c string) string {
	for _, op := range [...]string{"===", "==", ">=", "<=", "~=", "!=", "<", ">"} {
		if strings.HasPrefix(c, op) {
			return op
		}
	}
	return ""
}

// fits says whether a plain version of so many numbers goes with an operator.
func fits(op string, numbers int) bool { return numbers > 1 || numbers == 1 && op != "~=" }

func parseClause(c string) (Specifier, error) {
	op := operator(c)
	if op == "" {
		return Specifier{}, fmt.Errorf("parsing specifier %q: it begins with no operator (one of ~= == != <= >= < > ===)", c)
	}
	rest := strings.TrimSpace(c[len(op):])
	if len(rest) > maxLength || !fits(op, plain(rest)) && !clauses()[op].MatchString(rest) {
		return Specifier{}, fmt.Errorf("parsing specifier %q: %q does not fit %s", c, rest, op)
	}
	sp := Specifier{Op: op, Version: rest}
	if op == "===" {
		return sp, nil
	}
	sp.Version, sp.Wildcard = strings.CutSuffix(rest, ".*")
	v, err := Parse(sp.Version)
	if err != nil {
		return Specifier{}, fmt.Errorf("parsing specifier %q: %w", c, err)
	}
	sp.v = v
	return sp, nil
}

// String is the clause as written, without spaces.
func (s Specifier) String() string {
	if s.Wildcard {
		return s.Op + s.Version + ".*"
	}
	return s.Op + s.Version
}

// String joins the clauses by commas.
func (ss Specifiers) String() string {
	parts := make([]string, len(ss))
	for i, s := range ss {
		parts[i] = s.String()
	}
	return strings.Join(parts, ",")
}

// Pinned returns the version when the set admits exactly one: a single == without
// wildcard, or a single ===. (pip, uv and pip-tools agree: "==1.0,!=1.1" is not
// a pin.)
func (ss Specifiers) Pinned() (string, bool) {
	if len(ss) != 1 || ss[0].Wildcard || ss[0].Version == "" || (ss[0].Op != "==" && ss[0].Op != "===") {
		return "", false
	}
	return ss[0].Version, true
}

// Contains says whether v satisfies every clause. Pre-releases are admitted when
// pre is set, or when a clause itself names one.
func (ss Specifiers) Contains(v Version, pre bool) bool {
	if v.IsPreRelease() && !pre {
		named := false
		for _, s := range ss {
			named = named || s.prerelease()
		}
		if !named {
			return false
		}
	}
	for _, s := range ss {
		if !s.match(v) {
			return false
		}
	}
	return true
}

// prerelease says whether the clause names a pre-release and so admits them.
func (s Specifier) prerelease() bool {
	if s.Op == "!=" {
		return false
	}
	if s.Op == "===" {
		v, err := Parse(s.Version)
		return err == nil && v.IsPreRelease()
	}
	return s.v.IsPreRelease()
}

func (s Specifier) match(v Version) bool {
	switch s.Op {
	case "===":
		return strings.EqualFold(v.String(), s.Version)
	case "==":
		return s.equal(v)
	case "!=":
		return !s.equal(v)
	case "<=":
		return v.public().Compare(s.v) <= 0
	case ">=":
		return v.public().Compare(s.v) >= 0
	case "~=":
		return v.public().Compare(s.v) >= 0 && hasPrefix(v, s.v.epoch, s.v.release[:len(s.v.release)-1])
	case "<":
		// "<3.1" does not admit 3.1's own pre-releases.
		return v.Compare(s.v) < 0 && !(!s.v.IsPreRelease() && v.IsPreRelease() && v.sameBase(s.v))
	default: // ">": ">3.1" admits neither 3.1's post-releases nor its local versions
		return v.Compare(s.v) > 0 && !(!s.v.IsPostRelease() && v.IsPostRelease() && v.sameBase(s.v)) && !(len(v.local) > 0 && v.sameBase(s.v))
	}
}

func (s Specifier) equal(v Version) bool {
	if s.Wildcard {
		return prefixOf(s.v, v)
	}
	if len(s.v.local) == 0 {
		v = v.public()
	}
	return v.Compare(s.v) == 0
}

func hasPrefix(v Version, epoch string, release []string) bool {
	if v.epoch != epoch {
		return false
	}
	for i, seg := range release {
		if segment(v.release, i) != seg {
			return false
		}
	}
	return true
}

// prefixOf implements "==V.*": the written segments of V, suffixes such as "a1"
// included, begin those of v. Only the release is padded with zeros.
func prefixOf(prefix, v Version) bool {
	want, wantSuffix := suffixes(prefix)
	got, gotSuffix := suffixes(v.public())
	if prefix.epoch != v.epoch {
		return false
	}
	if len(wantSuffix) == 0 {
		return hasPrefix(v, prefix.epoch, want)
	}
	for i := range max(len(want), len(got)) {
		if segment(want, i) != segment(got, i) {
			return false
		}
	}
	return len(gotSuffix) >= len(wantSuffix) && strings.Join(gotSuffix[:len(wantSuffix)], ".") == strings.Join(wantSuffix, ".")
}

// suffixes splits a version's normal form into its release and what follows:
// "1.2a1.post3" is [1 2] and [a1 post3].
func suffixes(v Version) (release, rest []string) {
	s := v.String()
	if _, after, ok := strings.Cut(s, "!"); ok {
		s = after
	}
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		return v.release, nil
	}
	return v.release, strings.FieldsFunc(s[end:], func(r rune) bool { return r == '.' })
}
