// Command warm measures what a build costs when little has changed: requests,
// bytes and time against a registry on loopback that answers every request 30 ms
// late, beside go-containerregistry's remote.Write and buildah (podman build) of
// the same change. It prints a Markdown table.
//
// usage: warm FOLDER-OF-WHEELS [RUNS]
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// far is what an index far away sends, in bytes a second, in sum.
const far = 25e6

// late is how long the registry takes for every request.
const late = 30 * time.Millisecond

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: warm FOLDER-OF-WHEELS [RUNS]")
		os.Exit(2)
	}
	runs := 5
	if len(os.Args) > 2 {
		runs, _ = strconv.Atoi(os.Args[2])
	}
	if err := run(context.Background(), os.Args[1], runs); err != nil {
		fmt.Fprintln(os.Stderr, "warm:", err)
		os.Exit(1)
	}
}

type anonymous struct{}

// Resolve implements authn.Keychain.
func (anonymous) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// bench is a project, an index with wheels and a registry.
type bench struct {
	dir   string
	reg   *registry.Registry
	index *wheels
	req   image.Request
}

func (b *bench) build(ctx context.Context) (*image.Result, time.Duration, error) {
	d := image.Deps{Registry: oci.New(oci.Options{Keychain: anonymous{}}), Now: time.Now, Getenv: func(string) string { return "" }, WorkDir: b.dir}
	start := time.Now()
	res, err := image.Build(ctx, b.req, d)
	return res, time.Since(start), err
}

func (b *bench) change(n int) error {
	return os.WriteFile(filepath.Join(b.req.Context, "shop.py"), fmt.Appendf(nil, "app = %d\n", n), 0o644)
}

// rebase takes a base of a later Python.
func (b *bench) rebase(ctx context.Context) (err error) {
	b.req.Base, err = pushBase(ctx, b.reg.Addr, "3.11.10")
	return err
}

// row is one line of the table.
type row struct {
	what     string
	requests int
	index    int
	up, down int64
	took     []time.Duration
	digests  []string
}

func (r row) median() time.Duration {
	all := slices.Clone(r.took)
	slices.Sort(all)
	return all[len(all)/2]
}

func (b *bench) measure(ctx context.Context, what string, runs int, before func(int) error) (row, error) {
	out := row{what: what}
	for i := range runs {
		if err := before(i); err != nil {
			return out, err
		}
		n, m := len(b.asked()), b.index.count()
		res, took, err := b.build(ctx)
		if err != nil {
			return out, fmt.Errorf("%s: %w", what, err)
		}
		fmt.Fprintf(os.Stderr, "%s:", what)
		for _, p := range res.Phases {
			fmt.Fprintf(os.Stderr, " %s %.2f s", p.Name, p.Seconds)
		}
		fmt.Fprintln(os.Stderr)
		out.took = append(out.took, took)
		out.requests, out.index, out.up, out.down = len(b.asked())-n, b.index.count()-m, res.BytesUp, res.BytesDown
		out.digests = append(out.digests, res.Digest)
	}
	return out, nil
}

// asked are the requests without the one that asks how to authenticate.
func (b *bench) asked() []string {
	return slices.DeleteFunc(b.reg.Requests(), func(q string) bool { return q == "GET /v2/" })
}

func run(ctx context.Context, folder string, runs int) error {
	dir, err := os.MkdirTemp("", "bench-warm-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b, err := prepare(ctx, dir, folder)
	if err != nil {
		return err
	}
	b.reg.Fail(registry.Fault{Wait: late})
	var rows []row
	add := func(r row, err error) error {
		rows = append(rows, r)
		return err
	}
	nothing := func(int) error { return nil }
	first := b.req
	b.req.Image, b.index.rate = b.reg.Addr+"/far/shop", far
	if err := add(b.measure(ctx, fmt.Sprintf("cold, from an index that sends %d MB a second", int64(far/1e6)), 1, nothing)); err != nil {
		return err
	}
	b.req, b.index.rate = first, 0
	if err := add(b.measure(ctx, "cold: empty registry, nothing cached", 1, nothing)); err != nil {
		return err
	}
	if err := add(b.measure(ctx, "nothing changed", runs, nothing)); err != nil {
		return err
	}
	if err := add(b.measure(ctx, "one source file changed", runs, func(i int) error { return b.change(i + 1) })); err != nil {
		return err
	}
	for _, which := range []string{"a large wheel", "a small wheel"} {
		if err := add(b.measure(ctx, which+" of them bumped", 1, func(int) error { return b.bump(which == "a large wheel") })); err != nil {
			return err
		}
	}
	if err := add(b.measure(ctx, "another base", 1, func(int) error { return b.rebase(ctx) })); err != nil {
		return err
	}
	b.req.Image, b.req.CacheRepo = b.reg.Addr+"/other/site", b.reg.Addr+"/acme/shop"
	if err := add(b.measure(ctx, "the first build of another project, with a wheel less, that shares the cache", 1, func(int) error { return b.less() })); err != nil {
		return err
	}
	b.req.Image, b.req.CacheRepo = b.reg.Addr+"/acme/shop", ""
	if err := b.lock(); err != nil {
		return err
	}
	peer, err := b.remoteWrite(ctx, runs)
	if err := add(peer, err); err != nil {
		return err
	}
	if peer, err := b.buildah(ctx, dir, runs); err == nil {
		rows = append(rows, peer)
	} else {
		fmt.Fprintln(os.Stderr, "warm: buildah was not measured:", err)
	}
	rows = append(rows[1:], rows[0])
	warm := rows[2].median()
	fmt.Printf("%d wheels, %.1f MB; %s added to every request to the registry; median of %d\n\n", b.index.number(), float64(b.index.bytes())/1e6, late, runs)
	fmt.Println("| | requests to the registry | to the index | sent | received | seconds | round trips' worth | times ours |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, r := range rows {
		fmt.Printf("| %s | %d | %d | %s | %s | %.3f | %.1f | %.1f |\n", r.what, r.requests, r.index, size(r.up), size(r.down), r.median().Seconds(),
			float64(r.median())/float64(late), float64(r.median())/float64(warm))
	}
	if d := rows[1].digests; slices.ContainsFunc(d, func(x string) bool { return x != rows[0].digests[0] }) {
		return fmt.Errorf("nothing changed, and the digest did: %q", d)
	}
	return nil
}

func size(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// buildah builds and pushes the same with podman: the virtual environment from
// its cache, the application anew.
func (b *bench) buildah(ctx context.Context, dir string, runs int) (row, error) {
	out := row{what: "podman build (buildah, warm layer cache) and push of the same change"}
	root := filepath.Join(dir, "storage")
	podman := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "podman", append([]string{"--root", root, "--runroot", root + "-run", "--storage-driver", "vfs"}, args...)...)
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("podman %s: %w: %s", strings.Join(args, " "), err, text)
		}
		return nil
	}
	file := "FROM scratch\nCOPY wheels /app/.venv\nCOPY shop.py /app/\n"
	ctxDir := filepath.Join(dir, "buildah")
	if err := os.CopyFS(filepath.Join(ctxDir, "wheels"), os.DirFS(b.index.dir)); err != nil {
		return out, err
	}
	if err := os.WriteFile(filepath.Join(ctxDir, "Dockerfile"), []byte(file), 0o644); err != nil {
		return out, err
	}
	for i := range runs + 1 {
		if err := os.WriteFile(filepath.Join(ctxDir, "shop.py"), fmt.Appendf(nil, "app = %d\n", 1000+i), 0o644); err != nil {
			return out, err
		}
		n := len(b.asked())
		start := time.Now()
		if err := podman("build", "-q", "--layers", "-t", b.reg.Addr+"/acme/buildah:v1", ctxDir); err != nil {
			return out, err
		}
		if err := podman("push", "-q", "--tls-verify=false", b.reg.Addr+"/acme/buildah:v1"); err != nil {
			return out, err
		}
		if i > 0 { // the first fills the cache
			out.took = append(out.took, time.Since(start))
			out.requests = len(b.asked()) - n
		}
	}
	return out, nil
}
