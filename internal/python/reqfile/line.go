package reqfile

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// schemes tells what pip takes for a URL (pip, utils/urls.py is_url and
// vcs/versioncontrol.py all_schemes).
var schemes = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(https?|file|ftp|ssh|git|hg|bzr|sftp|svn|` +
		`git\+(http|https|ssh|git|file)|hg\+(file|http|https|ssh|static-http)|` +
		`bzr\+(http|https|ssh|sftp|ftp|lp|file)|svn\+(ssh|http|https|svn|file)):`)
})

var vcsScheme = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)^((git|hg|bzr|svn)(\+[a-z0-9.+-]+)?:|git@)`) })

// isURL and isVCS ask first what can be seen at once: most lines have no colon.
func isURL(s string) bool { return strings.IndexByte(s, ':') > 0 && schemes().MatchString(s) }

func isVCS(s string) bool {
	return (strings.IndexByte(s, ':') > 0 || strings.IndexByte(s, '@') > 0) && vcsScheme().MatchString(s)
}

// isRemote says whether the value of -r or -c is fetched (pip, SCHEME_RE).
var isRemote = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)^(http|https|file):`) })

// requirement reads the requirement part of a line, which begins at offset off,
// as pip's parse_req_from_line does: a URL's marker stands behind "; ", every
// other behind the first ";"; an empty marker is none.
func (p *parser) requirement(src *source, l *logical, text string, off int) Item {
	it := Item{Constraint: src.constraint, From: src.from, Odd: l.odd, Text: text, Pos: src.span(l, off, off+len(text))}
	sep := ";"
	if isURL(text) || isVCS(text) {
		sep = "; "
	}
	bare, marker, _ := strings.Cut(text, sep)
	bare, marker = strings.TrimFunc(bare, isSpace), strings.TrimFunc(marker, isSpace)
	var m *requirement.Marker
	if marker != "" {
		var err error
		if m, err = requirement.ParseMarker(marker); err != nil {
			it.Kind = Ignored
			p.refuse(l, it.Pos, "not a marker", err)
			return it
		}
	}
	switch {
	case isVCS(bare):
		it.Kind = VCS
	case isURL(bare):
		it.Kind = URL
		if strings.HasPrefix(strings.ToLower(bare), "file:") {
			it.Kind = Local
		}
	case isPath(bare):
		it.Kind = Local
	default:
		r, err := requirement.Parse(bare)
		if err != nil {
			it.Kind = Ignored
			p.refuse(l, it.Pos, "not a requirement", err)
			return it
		}
		r.Marker = m
		it.Requirement, it.Kind = r, Named
		return it
	}
	it.Requirement.URL, it.Requirement.Marker = bare, m
	if _, frag, ok := strings.Cut(bare, "#egg="); ok {
		name, _, _ := strings.Cut(frag, "&")
		name, _, _ = strings.Cut(name, "[")
		it.Requirement.Name = name
	}
	return it
}

// refuse reports what cannot be read; the cause quotes the text only where no
// variable's value stands in it.
func (p *parser) refuse(l *logical, at Pos, what string, err error) {
	if l.expanded {
		p.problem(at, "%s once its variables are filled in", what)
		return
	}
	p.problem(at, "%s: %v", what, err)
}

// archives are the endings that make a bare word a file (pip, utils/filetypes.py).
func archives() []string {
	return []string{".zip", ".whl", ".tar.bz2", ".tbz", ".tar.gz", ".tgz", ".tar", ".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma"}
}

// isPath says whether pip would take a requirement for a path: it looks like one
// and is no "name @ URL", or it names an archive.
func isPath(s string) bool {
	looks := func(s string) bool { return strings.Contains(s, "/") || strings.HasPrefix(s, ".") }
	name, _, at := strings.Cut(s, "@")
	if at && !looks(name) {
		return false
	}
	if looks(s) {
		return true
	}
	if i := strings.LastIndexByte(s, '['); i > 0 && strings.HasSuffix(s, "]") {
		s = s[:i]
	}
	lower := strings.ToLower(s)
	return slices.ContainsFunc(archives(), func(ext string) bool { return strings.HasSuffix(lower, ext) && len(lower) > len(ext) })
}
