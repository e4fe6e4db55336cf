package github

import (
	"bytes"
	"net/http"
	"os/exec"
	"strings"
)

// ServeGit answers git's discovery of references for a mirror, with git itself:
// /OWNER/NAME.git/info/refs?service=git-upload-pack. Tags are peeled as GitHub
// does. It says whether the request was one.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request) bool {
	repository, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/"), ".git/info/refs")
	if !ok {
		return false
	}
	dir := s.Mirrors[repository]
	if dir == "" || r.URL.Query().Get("service") != "git-upload-pack" {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		w.WriteHeader(http.StatusUnauthorized) // as GitHub does for what is not there
		return true
	}
	out, err := exec.CommandContext(r.Context(), "git", "upload-pack", "--stateless-rpc", "--advertise-refs", dir).Output()
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return true
	}
	w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
	_, _ = w.Write(append([]byte("001e# service=git-upload-pack\n0000"), out...))
	return true
}

// compare answers which of two commits of a mirror is ahead; a fork's commits are
// objects of the mirror that no branch reaches, as they are on GitHub.
func (s *Server) compare(c call) answer {
	repository := c.params["owner"] + "/" + c.params["repo"]
	dir := s.Mirrors[repository]
	base, head, ok := strings.Cut(c.r.URL.Path[strings.Index(c.r.URL.Path, "/compare/")+len("/compare/"):], "...")
	git := func(args ...string) (string, bool) {
		out, err := exec.CommandContext(c.r.Context(), "git", append([]string{"-C", dir}, args...)...).Output()
		return strings.TrimSpace(string(out)), err == nil
	}
	baseSHA, ok1 := git("rev-parse", "--verify", "--quiet", base+"^{commit}")
	headSHA, ok2 := git("rev-parse", "--verify", "--quiet", head+"^{commit}")
	common, ok3 := git("merge-base", baseSHA, headSHA)
	if !ok || !ok1 || !ok2 || !ok3 {
		return failed(http.StatusNotFound, "Not Found")
	}
	count := func(from, to string) int {
		n, _ := git("rev-list", from+".."+to)
		return len(strings.Fields(n))
	}
	ahead, behind := count(common, headSHA), count(common, baseSHA)
	status := "identical"
	switch {
	case ahead > 0 && behind > 0:
		status = "diverged"
	case ahead > 0:
		status = "ahead"
	case behind > 0:
		status = "behind"
	}
	html := "https://github.com/" + repository
	commit := func(sha string) map[string]any {
		u := s.URL + "/repos/" + repository + "/commits/" + sha
		return map[string]any{"url": u, "sha": sha, "node_id": "C_1", "html_url": html + "/commit/" + sha, "comments_url": u + "/comments", "author": nil, "committer": nil, "parents": []any{},
			"commit": map[string]any{"url": u, "author": nil, "committer": nil, "message": "a commit", "comment_count": 0, "tree": map[string]any{"sha": sha, "url": u}}}
	}
	return answer{status: http.StatusOK, body: map[string]any{
		"url": s.URL + c.r.URL.Path, "html_url": html, "permalink_url": html, "diff_url": html, "patch_url": html, "base_commit": commit(baseSHA), "merge_base_commit": commit(common),
		"status": status, "ahead_by": ahead, "behind_by": behind, "total_commits": ahead, "commits": []any{}, "files": []any{},
	}}
}

// Mirror is a bare repository with what actions look like: a branch with three
// commits, the tags v1 (moving, on the second), v1.0.0 and v1.1.0 (annotated),
// a branch for an old series, and a commit of a fork that no branch has.
type Mirror struct {
	Dir                   string
	First, Second, Third  string
	Old, Fork, TaggedFork string
}

// NewMirror makes one in a folder. The same folder gives the same commits.
func NewMirror(dir string) (Mirror, error) {
	m := Mirror{Dir: dir}
	var failed error
	git := func(args ...string) string {
		if failed != nil {
			return ""
		}
		cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
		cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/local/bin", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
			"GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z", "HOME=/nonexistent", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null"}
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			failed = &gitError{args, errs.String(), err}
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet", "--bare", "--initial-branch=main", ".")
	tree := git("hash-object", "-t", "tree", "-w", "/dev/null")
	commit := func(message string, parents ...string) string {
		args := []string{"commit-tree", "-m", message}
		for _, p := range parents {
			args = append(args, "-p", p)
		}
		return git(append(args, tree)...)
	}
	m.First = commit("first")
	m.Second = commit("second", m.First)
	m.Third = commit("third", m.Second)
	m.Old = commit("old", m.First)
	m.Fork = commit("fork", m.Second)
	m.TaggedFork = commit("tagged fork", m.Second)
	git("update-ref", "refs/heads/main", m.Third)
	git("update-ref", "refs/heads/releases/v0", commit("old again", m.Old))
	git("update-ref", "refs/tags/v0.9", m.Old)
	git("update-ref", "refs/tags/v1.0.0", m.First)
	git("update-ref", "refs/tags/v1", m.Second)
	git("tag", "-a", "-m", "inner", "v1.1.0-inner", m.Second)
	git("tag", "-a", "-m", "nested", "v1.1.0", "v1.1.0-inner")
	git("update-ref", "refs/tags/v6.6.6", m.TaggedFork)
	return m, failed
}

type gitError struct {
	args []string
	text string
	err  error
}

// Error implements error.
func (e *gitError) Error() string {
	return "git " + strings.Join(e.args, " ") + ": " + e.err.Error() + ": " + e.text
}
