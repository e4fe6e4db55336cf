package dockerfile

import (
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// add reads what an ADD downloads. Local files come with the build context and
// are no subject.
func (r *reader) add(n *parser.Node, text joined) {
	sum, _ := flag(n, "checksum")
	sum, _ = r.scope().expand(sum, r.escape)
	w := words(n)
	if len(w) < 2 {
		return
	}
	for _, raw := range w[:len(w)-1] {
		url, _ := r.scope().expand(raw, r.escape)
		git := isGit(url)
		if !git && !isHTTP(url) {
			continue
		}
		r.out.Downloads = append(r.out.Downloads, Download{Raw: raw, URL: url, Span: text.find(raw), Checksum: sum, Git: git})
	}
}

func isHTTP(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

// isGit follows BuildKit's ParseGitRef: an HTTP URL is a repository when its
// path ends in .git; git://, ssh:// and scp-like addresses always are.
func isGit(s string) bool {
	path, _, _ := strings.Cut(s, "#")
	path, _, _ = strings.Cut(path, "?")
	switch {
	case isHTTP(s):
		return strings.HasSuffix(path, ".git")
	case strings.HasPrefix(s, "git://"), strings.HasPrefix(s, "ssh://"):
		return true
	}
	user, rest, ok := strings.Cut(path, "@")
	return ok && user != "" && !strings.ContainsAny(user, "/:") && strings.Contains(rest, ":")
}

// Commit is the revision that a git download asks for: the checksum, the query's
// commit, checksum or ref, or the fragment's part before a colon.
func (d Download) Commit() string {
	if d.Checksum != "" {
		return d.Checksum
	}
	rest, fragment, _ := strings.Cut(d.URL, "#")
	_, query, _ := strings.Cut(rest, "?")
	for _, want := range []string{"commit", "checksum", "ref", "tag", "branch"} {
		for _, kv := range strings.Split(query, "&") {
			if k, v, _ := strings.Cut(kv, "="); k == want {
				return v
			}
		}
	}
	fragment, _, _ = strings.Cut(fragment, ":")
	return fragment
}
