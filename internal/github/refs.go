package github

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v92/github"

	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/failure"
)

// ErrNoRepository says that a repository does not exist, or that the token may
// not see it: GitHub does not tell which.
var ErrNoRepository = errors.New("no such repository")

// Refs are a repository's branches and tags with their commits; annotated tags
// are peeled.
type Refs struct {
	Default        string // the default branch
	Branches, Tags map[string]string
}

// RemoteOptions say where refs are read.
type RemoteOptions struct {
	// Server is GITHUB_SERVER_URL, "https://github.com" if empty.
	Server string
	// Repository is OWNER/NAME.
	Repository string
	Token      string
	UserAgent  string
	HTTP       *http.Client // nil: one with a limit of half a minute
	Sleep      func(context.Context, time.Duration) error
}

// maxRefs bounds an advertisement, in bytes: the largest real ones have 20 MB.
const maxRefs = 64 << 20

// ReadRefs lists all branches and tags in one request, as git does
// (gitprotocol-http(5), "Discovering References", protocol version 0, which peels
// tags).
func ReadRefs(ctx context.Context, o RemoteOptions) (Refs, error) {
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	if o.Sleep == nil {
		o.Sleep = clock.Sleep
	}
	server := strings.TrimSuffix(o.Server, "/")
	if server == "" {
		server = "https://github.com"
	}
	u := server + "/" + o.Repository + ".git/info/refs?service=git-upload-pack"
	token := o.Token
	for try := 1; ; try++ {
		refs, status, err := askRefs(ctx, o, u, token)
		switch {
		case err == nil:
			return refs, nil
		case ctx.Err() != nil:
			return Refs{}, ctx.Err()
		case token != "" && (status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound):
			token = "" // a token for one organisation may not read what everybody may
			continue
		case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound:
			return Refs{}, fmt.Errorf("%s: %w", o.Repository, ErrNoRepository)
		case try >= 4:
			return Refs{}, failure.New(failure.Service, "GitHub may be busy or down (githubstatus.com); run again later", "reading the tags of %s: gave up after %d tries: %w", o.Repository, try, err)
		}
		if err := o.Sleep(ctx, time.Second<<(try-1)); err != nil {
			return Refs{}, err
		}
	}
}

// askRefs sends one request. status is 0 where there was no answer.
func askRefs(ctx context.Context, o RemoteOptions, u, token string) (Refs, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return Refs{}, 0, err
	}
	if o.UserAgent != "" {
		req.Header.Set("User-Agent", o.UserAgent)
	}
	if token != "" {
		req.SetBasicAuth("x-access-token", token)
	}
	resp, err := o.HTTP.Do(req)
	if err != nil {
		return Refs{}, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Refs{}, resp.StatusCode, fmt.Errorf("the server answered %s", resp.Status)
	}
	refs, err := parseRefs(io.LimitReader(resp.Body, maxRefs))
	return refs, resp.StatusCode, err
}

var objectName = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// parseRefs reads an advertisement of references.
func parseRefs(r io.Reader) (Refs, error) {
	in := bufio.NewReader(r)
	out := Refs{Branches: map[string]string{}, Tags: map[string]string{}}
	service, err := packet(in)
	if err != nil || strings.TrimSuffix(service, "\n") != "# service=git-upload-pack" {
		return Refs{}, errors.New("the answer is no list of git references")
	}
	if flush, err := packet(in); err != nil || flush != "" {
		return Refs{}, errors.New("the list of git references begins wrongly")
	}
	head := ""
	for first := true; ; first = false {
		line, err := packet(in)
		if err != nil {
			return Refs{}, fmt.Errorf("the list of git references is cut off: %w", err)
		}
		if line == "" {
			break
		}
		line, capabilities, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\x00")
		if first {
			for _, c := range strings.Fields(capabilities) {
				if b, ok := strings.CutPrefix(c, "symref=HEAD:refs/heads/"); ok {
					out.Default = b
				}
			}
		}
		sha, name, ok := strings.Cut(line, " ")
		if !ok || !objectName.MatchString(sha) {
			return Refs{}, fmt.Errorf("the list of git references has the line %q", line)
		}
		switch {
		case name == "HEAD":
			head = sha
		case strings.HasPrefix(name, "refs/heads/"):
			out.Branches[strings.TrimPrefix(name, "refs/heads/")] = sha
		case strings.HasPrefix(name, "refs/tags/"):
			// The peeled line follows the tag's own.
			out.Tags[strings.TrimSuffix(strings.TrimPrefix(name, "refs/tags/"), "^{}")] = sha
		}
	}
	if _, ok := out.Branches[out.Default]; !ok {
		out.Default = ""
		for _, b := range []string{"main", "master"} {
			if out.Branches[b] == head && head != "" {
				out.Default = b
				break
			}
		}
	}
	return out, nil
}

// packet reads a pkt-line (gitprotocol-common(5)); "" is a flush.
func packet(r *bufio.Reader) (string, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(string(size[:]), 16, 16)
	switch {
	case err != nil:
		return "", fmt.Errorf("a line's length is %q", size[:])
	case n == 0:
		return "", nil
	case n <= 4:
		return "", errors.New("an empty line")
	}
	line := make([]byte, n-4)
	_, err = io.ReadFull(r, line)
	return string(line), err
}

// maxCompared bounds how many branches are asked about one commit.
const maxCompared = 40

// ErrManyBranches says that a commit was looked for in so many branches that the
// search was given up.
var ErrManyBranches = errors.New("too many branches to look into")

// Contains says whether a commit is in the history of one of the repository's own
// branches. GitHub serves the commits of all forks under a repository's name, so
// that it has a commit says nothing. Branches that are likely to have it are asked
// first: the default one, then those named like the versions in like.
func (c *Client) Contains(ctx context.Context, commit string, refs Refs, like []string) (bool, error) {
	branches := candidates(refs, like)
	for i, b := range branches {
		if i == maxCompared {
			return false, fmt.Errorf("%d of %d branches do not have it: %w", i, len(branches), ErrManyBranches)
		}
		in, err := c.behind(ctx, b, commit)
		if err != nil || in {
			return in, err
		}
	}
	return false, nil
}

// candidates orders the branches by how likely they have a version.
func candidates(refs Refs, like []string) []string {
	rank := func(b string) int {
		if b == refs.Default {
			return 0
		}
		for _, v := range like {
			v = strings.TrimPrefix(v, "v")
			for ; v != ""; v = v[:max(0, strings.LastIndexByte(v, '.'))] {
				if strings.Contains(b, v) {
					return 1
				}
			}
		}
		if strings.HasPrefix(b, "release") || strings.HasPrefix(b, "v") || b == "main" || b == "master" {
			return 2
		}
		return 3
	}
	var out []string
	seen := map[string]bool{} // heads that are the same commit have the same history
	for b := range refs.Branches {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b string) int {
		if ra, rb := rank(a), rank(b); ra != rb {
			return ra - rb
		}
		return strings.Compare(a, b)
	})
	return slices.DeleteFunc(out, func(b string) bool {
		head := refs.Branches[b]
		known := seen[head]
		seen[head] = true
		return known
	})
}

// behind says whether a commit is a branch's head or in its history (REST,
// "Compare two commits": status identical or behind).
func (c *Client) behind(ctx context.Context, branch, commit string) (bool, error) {
	in := false
	absent := false
	what := "looking for " + commit[:min(12, len(commit))] + " in the branch " + branch + " of " + c.owner + "/" + c.name
	err := c.call(ctx, what, "contents: read", func() error {
		cmp, _, err := c.api.Repositories.CompareCommits(ctx, c.owner, c.name, branch, commit, &gh.ListOptions{PerPage: 1})
		if err == nil {
			in = cmp.GetStatus() == "behind" || cmp.GetStatus() == "identical"
			return nil
		}
		var answer *gh.ErrorResponse
		if errors.As(err, &answer) && answer.Response.StatusCode == http.StatusNotFound {
			absent = true // the commit, or a history that shares nothing with the branch
			return nil
		}
		return err
	}, nil)
	return in && !absent, err
}
