package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/failure"
)

// GitOptions says where the ledgers live.
type GitOptions struct {
	Remote string // URL or path, as git takes it
	Prefix string // of the branches; "promote" if empty
	// Environ is git's environment; git's own repository variables are removed.
	Environ []string
	Author  string // "fairlead <fairlead@localhost>" if empty
	// Tries bounds how often an unreachable remote is asked; 0 means 3.
	Tries int
	Sleep func(context.Context, time.Duration) error
}

// Git is a Store in a git remote. It works in a private bare repository and
// never touches the caller's checkout.
type Git struct {
	o   GitOptions
	dir string
	env []string
}

var _ Store = (*Git)(nil)

const handWritten = "somebody wrote to this branch by hand; reset it to the last good entry"

// file is the one file of each commit.
const file = "state.json"

// OpenGit prepares a Store. Close removes its private repository.
func OpenGit(ctx context.Context, o GitOptions) (*Git, error) {
	if o.Remote == "" || strings.HasPrefix(o.Remote, "-") {
		return nil, failure.New(failure.Usage, "give the git remote that keeps the ledger: --ledger URL", "ledger remote %q is not valid", redact(o.Remote))
	}
	if o.Prefix == "" {
		o.Prefix = "promote"
	}
	if o.Author == "" {
		o.Author = "fairlead <fairlead@localhost>"
	}
	if o.Tries == 0 {
		o.Tries = 3
	}
	if o.Sleep == nil {
		o.Sleep = clock.Sleep
	}
	if _, err := exec.LookPath("git"); err != nil {
		return nil, failure.New(failure.Usage, "install git", "opening the ledger: git is not on PATH")
	}
	dir, err := os.MkdirTemp("", "fairlead-ledger-")
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	g := &Git{o: o, dir: dir, env: environ(o)}
	if _, err := g.git(ctx, nil, "init", "-q", "--bare", "--initial-branch=none", "."); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return g, nil
}

// environ is the caller's environment without what would lead git to another
// repository, and without prompts.
func environ(o GitOptions) []string {
	var out []string
	for _, kv := range o.Environ {
		k, _, _ := strings.Cut(kv, "=")
		switch {
		case k == "GIT_SSH_COMMAND", k == "GIT_SSH", k == "GIT_ASKPASS", k == "GIT_SSL_CAINFO", strings.HasPrefix(k, "GIT_CONFIG_"):
		case strings.HasPrefix(k, "GIT_"):
			continue
		}
		out = append(out, kv)
	}
	name, mail, _ := strings.Cut(strings.TrimSuffix(o.Author, ">"), " <")
	return append(out, "GIT_TERMINAL_PROMPT=0", "LC_ALL=C", "GIT_AUTHOR_NAME="+name, "GIT_AUTHOR_EMAIL="+mail,
		"GIT_COMMITTER_NAME="+name, "GIT_COMMITTER_EMAIL="+mail)
}

// Close removes the private repository.
func (g *Git) Close() error { return os.RemoveAll(g.dir) }

// Name says where the ledger is, for people, without credentials.
func (g *Git) Name() string { return redact(g.o.Remote) }

func redact(remote string) string {
	u, err := url.Parse(remote)
	if err != nil || u.User == nil || u.Scheme == "" {
		return remote
	}
	if u.Scheme == "ssh" {
		u.User = url.User(u.User.Username()) // the user is part of the address
	} else {
		u.User = nil
	}
	return u.String()
}

// gitError is a failed git command with what it said.
type gitError struct {
	verb, text string
	err        error
}

func (e *gitError) Error() string {
	return fmt.Sprintf("git %s: %s", e.verb, e.text)
}
func (e *gitError) Unwrap() error { return e.err }

// git runs one command in the private repository and returns its output.
func (g *Git) git(ctx context.Context, stdin []byte, args ...string) (string, error) {
	verb := args[0]
	// Hooks and signing of the user's own configuration have no business here.
	args = append([]string{"-c", "core.hooksPath=/dev/null", "-c", "push.gpgSign=false", "-c", "commit.gpgSign=false"}, args...)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = g.dir, append(g.env, "GIT_DIR="+g.dir), bytes.NewReader(stdin)
	cmd.WaitDelay = 5 * time.Second
	var out, errb bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errb
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		text := strings.TrimSpace(errb.String() + "\n" + out.String())
		return "", &gitError{verb, strings.ReplaceAll(text, g.o.Remote, redact(g.o.Remote)), err}
	}
	return out.String(), nil
}

// remote runs a command that talks to the remote, with retries for what passes.
func (g *Git) remote(ctx context.Context, args ...string) (string, error) {
	var err error
	for n := 1; n <= g.o.Tries; n++ {
		var out string
		if out, err = g.git(ctx, nil, args...); err == nil {
			return out, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if n < g.o.Tries {
			if err := g.o.Sleep(ctx, time.Duration(n)*500*time.Millisecond); err != nil {
				return "", err
			}
		}
	}
	return "", failure.New(failure.Service, "nothing was changed. Is the remote right, and may you read it?", "asking the ledger's remote %s: %w", g.Name(), err)
}

func (g *Git) ref(service, env string) (string, error) {
	if err := errors.Join(CheckName("service", service), CheckName("environment", env)); err != nil {
		return "", failure.Wrap(failure.Usage, "", err)
	}
	return "refs/heads/" + g.o.Prefix + "/" + service + "/" + env, nil
}

// Head implements Store.
func (g *Git) Head(ctx context.Context, service, env string) (Record, bool, error) {
	ref, err := g.ref(service, env)
	if err != nil {
		return Record{}, false, err
	}
	oid, err := g.tip(ctx, ref)
	if err != nil || oid == "" {
		return Record{}, false, err
	}
	if _, err := g.remote(ctx, "fetch", "-q", "--no-tags", "--depth=1", "--", g.o.Remote, "+"+ref+":"+ref); err != nil {
		return Record{}, false, err
	}
	// The remote may have moved between the two calls: what was fetched counts.
	local, err := g.git(ctx, nil, "rev-parse", ref)
	if err != nil {
		return Record{}, false, err
	}
	rec, err := g.read(ctx, ref, strings.TrimSpace(local))
	return rec, err == nil, err
}

func (g *Git) tip(ctx context.Context, ref string) (string, error) {
	out, err := g.remote(ctx, "ls-remote", "--", g.o.Remote, ref)
	if err != nil {
		return "", err
	}
	// ls-remote matches the ends of names too: only the exact ref counts.
	for _, line := range strings.Split(out, "\n") {
		if oid, name, ok := strings.Cut(line, "\t"); ok && strings.TrimSpace(name) == ref {
			return strings.TrimSpace(oid), nil
		}
	}
	return "", nil
}

func (g *Git) read(ctx context.Context, ref, oid string) (Record, error) {
	// Whoever may push to the branch decides how large the file is.
	size, err := g.git(ctx, nil, "cat-file", "-s", oid+":"+file)
	if err != nil {
		return Record{}, failure.New(failure.Usage, "is this branch really a ledger?", "reading the ledger %s at %.12s: it has no %s", ref, oid, file)
	}
	if n, err := strconv.Atoi(strings.TrimSpace(size)); err != nil || n > maxEntry {
		return Record{}, failure.New(failure.Usage, handWritten, "reading the ledger %s at %.12s: %s has %s bytes, an entry has at most %d", ref, oid, file, strings.TrimSpace(size), maxEntry)
	}
	data, err := g.git(ctx, nil, "cat-file", "blob", oid+":"+file)
	if err != nil {
		return Record{}, err
	}
	rec := Record{OID: oid}
	if rec.Entry, err = ParseEntry([]byte(data)); err != nil {
		hint := handWritten
		if errors.Is(err, ErrNewer) {
			hint = "use a newer fairlead"
		}
		return Record{}, failure.New(failure.Usage, hint, "reading the ledger %s at %.12s: %w", ref, oid, err)
	}
	if want := g.o.Prefix + "/" + rec.Service + "/" + rec.Environment; ref != "refs/heads/"+want {
		return Record{}, failure.New(failure.Usage, "somebody pushed another ledger to this branch; reset it to its own last entry", "reading the ledger %s at %.12s: the entry belongs to %s", ref, oid, want)
	}
	return rec, nil
}

// Append implements Store by a push that succeeds only while the remote's branch
// is still at parent.
func (g *Git) Append(ctx context.Context, service, env, parent string, e Entry) (Record, error) {
	ref, err := g.ref(service, env)
	if err != nil {
		return Record{}, err
	}
	e.V = 1
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return Record{}, err
	}
	if err := g.have(ctx, ref, parent); err != nil {
		return Record{}, err
	}
	oid, err := g.commit(ctx, parent, append(data, '\n'), message(e))
	if err != nil {
		return Record{}, err
	}
	for n := 1; ; n++ {
		_, err = g.git(ctx, nil, "push", "-q", "--porcelain", "--force-with-lease="+ref+":"+parent, "--", g.o.Remote, oid+":"+ref)
		if err == nil {
			return Record{OID: oid, Entry: e}, nil
		}
		if ctx.Err() != nil {
			return Record{}, ctx.Err()
		}
		// The answer may have been lost after the push: look before judging.
		now, lookErr := g.tip(ctx, ref)
		switch {
		case lookErr != nil:
			return Record{}, failure.Wrap(failure.Service, "run again: the ledger is looked at first", fmt.Errorf("appending to the ledger: %w", errors.Join(err, lookErr)))
		case now == oid:
			return Record{OID: oid, Entry: e}, nil
		case now != parent:
			return Record{}, ErrMoved
		}
		if n >= g.o.Tries || !transient(err.Error()) {
			break
		}
		if err := g.o.Sleep(ctx, time.Duration(n)*500*time.Millisecond); err != nil {
			return Record{}, err
		}
	}
	hint := refusalHint(err.Error())
	if hint == "" {
		hint = "allow this identity to push to " + strings.TrimPrefix(ref, "refs/heads/") + " (contents: write, and no ruleset against it)"
	}
	return Record{}, failure.New(failure.Service, hint, "appending to the ledger %s: the remote refuses the push: %w", g.Name(), err)
}

// have makes sure that the parent's commit is here: another process may have
// written it. A parent that is no longer the remote's head needs no push to fail.
func (g *Git) have(ctx context.Context, ref, parent string) error {
	if parent == "" {
		return nil
	}
	if _, err := g.git(ctx, nil, "cat-file", "-e", parent+"^{commit}"); err == nil {
		return nil
	}
	now, err := g.tip(ctx, ref)
	if err != nil {
		return err
	}
	if now != parent {
		return ErrMoved
	}
	if _, err = g.remote(ctx, "fetch", "-q", "--no-tags", "--depth=1", "--", g.o.Remote, "+"+ref+":"+ref); err != nil {
		return err
	}
	if _, err := g.git(ctx, nil, "cat-file", "-e", parent+"^{commit}"); err != nil {
		return ErrMoved // it moved between the look and the fetch
	}
	return nil
}

func (g *Git) commit(ctx context.Context, parent string, data []byte, msg string) (string, error) {
	blob, err := g.git(ctx, data, "hash-object", "-w", "--stdin")
	if err != nil {
		return "", err
	}
	tree, err := g.git(ctx, []byte("100644 blob "+strings.TrimSpace(blob)+"\t"+file+"\n"), "mktree")
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", strings.TrimSpace(tree), "-m", msg}
	if parent != "" {
		args = append(args, "-p", parent)
	}
	oid, err := g.git(ctx, nil, args...)
	return strings.TrimSpace(oid), err
}

func message(e Entry) string {
	return fmt.Sprintf("%s %s/%s #%d %s\n\n%s", e.Kind, e.Service, e.Environment, e.Seq, e.Phase, e.Digest)
}

// Log implements Store.
func (g *Git) Log(ctx context.Context, service, env string, limit int) ([]Record, error) {
	ref, err := g.ref(service, env)
	if err != nil {
		return nil, err
	}
	oid, err := g.tip(ctx, ref)
	if err != nil || oid == "" {
		return nil, err
	}
	args := []string{"fetch", "-q", "--no-tags", "--", g.o.Remote, "+" + ref + ":" + ref}
	if out, err := g.git(ctx, nil, "rev-parse", "--is-shallow-repository"); err == nil && strings.TrimSpace(out) == "true" {
		args = append([]string{"fetch", "--unshallow"}, args[1:]...)
	}
	if _, err := g.remote(ctx, args...); err != nil {
		return nil, err
	}
	list := []string{"rev-list", "--first-parent", ref}
	if limit > 0 {
		list = append(list, fmt.Sprintf("--max-count=%d", limit))
	}
	out, err := g.git(ctx, nil, append(list, "--")...)
	if err != nil {
		return nil, err
	}
	var recs []Record
	for _, oid := range strings.Fields(out) {
		rec, err := g.read(ctx, ref, oid)
		if err != nil {
			return recs, err
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

// Environments implements Store: the environments that have a ledger.
func (g *Git) Environments(ctx context.Context, service string) ([]string, error) {
	if err := CheckName("service", service); err != nil {
		return nil, failure.Wrap(failure.Usage, "", err)
	}
	base := "refs/heads/" + g.o.Prefix + "/" + service + "/"
	out, err := g.remote(ctx, "ls-remote", "--", g.o.Remote, base+"*")
	if err != nil {
		return nil, err
	}
	var envs []string
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		_, ref, _ := strings.Cut(line, "\t")
		if env, ok := strings.CutPrefix(strings.TrimSpace(ref), base); ok && CheckName("environment", env) == nil {
			envs = append(envs, env)
		}
	}
	return envs, nil
}
