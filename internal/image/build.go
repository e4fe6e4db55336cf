package image

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// builder is one build on its way.
type builder struct {
	Request
	deps Deps
	work string

	tree   *tree
	source *source
	store  *store
	shop   *workshop
	bases  *bases
	result *Result
}

// Build assembles the image, tests it when asked, and publishes it: in this
// order, so that what fails is never published. Failed tests give a Result with
// verdict fail and no error.
func Build(ctx context.Context, r Request, d Deps) (*Result, error) {
	start := d.Now()
	b, err := prepare(r, d)
	if err != nil {
		return nil, err
	}
	defer b.close()
	images, err := b.assemble(ctx)
	if err != nil {
		return nil, err
	}
	what, err := b.combine(images)
	if err != nil {
		return nil, err
	}
	if b.Test != nil {
		if err := b.test(ctx, images); err != nil {
			return nil, err
		}
	}
	if b.result.Verdict == finding.Pass {
		if err := b.publish(ctx, what, images); err != nil {
			return nil, err
		}
	}
	b.finish(d.Now().Sub(start))
	return b.result, nil
}

// Plan says which wheel each platform would get, and touches nothing.
func Plan(ctx context.Context, r Request, d Deps) (*Result, error) {
	start := d.Now()
	b, err := prepare(r, d)
	if err != nil {
		return nil, err
	}
	defer b.close()
	if _, err := b.choose(ctx); err != nil {
		return nil, err
	}
	b.finish(d.Now().Sub(start))
	return b.result, nil
}

// prepare checks a request and fills in its defaults.
func prepare(r Request, d Deps) (*builder, error) {
	r.Lock = cmp.Or(r.Lock, "requirements.txt")
	r.HostPython = cmp.Or(r.HostPython, "python3")
	r.Project = cmp.Or(r.Project, ProjectAuto)
	r.Port = cmp.Or(r.Port, 8000)
	r.User = cmp.Or(r.User, "65532:65532")
	if r.Created.IsZero() {
		r.Created = time.Unix(0, 0)
	}
	// Whole seconds in UTC: RFC 3339 of the same moment is the same text.
	r.Created = r.Created.UTC().Truncate(time.Second)
	if len(r.Platforms) == 0 {
		r.Platforms = []string{"linux/amd64"}
		if r.Base == hostBase {
			r.Platforms = []string{"linux/" + runtime.GOARCH}
		}
	}
	r.Platforms = slices.Clone(r.Platforms)
	slices.Sort(r.Platforms)
	r.Platforms = slices.Compact(r.Platforms)
	if err := r.check(); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(d.WorkDir, "fairlead-build-*")
	if err != nil {
		return nil, fmt.Errorf("making a folder to work in: %w", err)
	}
	b := &builder{Request: r, deps: d, work: work, shop: &workshop{dir: work, made: map[string]*layer.Layer{}}}
	b.result = &Result{Schema: 1, Tool: "build-image", Verdict: finding.Pass, Image: r.Image, Tags: []string{}, Layers: []Layer{}, Cache: Miss, Base: Base{Name: r.Base}}
	if b.tree, err = openTree(r.Context); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// check refuses what cannot work before anything is read or fetched.
func (r Request) check() error {
	switch {
	case r.Base == "":
		return failure.New(failure.Usage, "give --base with an image that holds CPython, or --base host to try things out", "no base image is named")
	case r.Push && r.Image == "":
		return failure.New(failure.Usage, "give --image registry/owner/name", "pushing: no image is named")
	case r.Base == hostBase && r.Push && !r.ForceHostPush && !oci.Loopback(registryOf(r.Image)):
		return failure.New(failure.Usage, "name a base image by its digest; or force it when you know that this machine is what you want to ship",
			"pushing %q: base host holds a copy of this machine's Python, which is for trying out, not for publishing", r.Image)
	case r.Port < 1 || r.Port > 65535:
		return failure.New(failure.Usage, "", "port %d is not between 1 and 65535", r.Port)
	case !slices.Contains([]ProjectMode{ProjectAuto, ProjectPackage, ProjectSource}, r.Project):
		return failure.New(failure.Usage, "", "project %q is neither auto, package nor source", r.Project)
	case r.Test != nil && len(r.Test.Command) == 0:
		return failure.New(failure.Usage, `for example --test "pytest -q"`, "testing: no command is given")
	}
	for _, p := range r.Platforms {
		if baseOf(p) != "linux/amd64" && baseOf(p) != "linux/arm64" {
			return failure.New(failure.Usage, "linux/amd64 and linux/arm64 are supported", "platform %q is not supported", p)
		}
	}
	for _, o := range r.Outputs {
		if !slices.Contains([]OutputKind{OutputOCI, OutputTar, OutputDocker, OutputPodman}, o.Kind) {
			return failure.New(failure.Usage, "write oci:FOLDER, tar:FILE, docker or podman", "output %q is not known", o.Kind)
		}
		if o.Kind == OutputTar && len(r.Platforms) > 1 {
			return failure.New(failure.Usage, "use oci:FOLDER", "output tar:%s: a docker archive holds one platform, not %d", o.Path, len(r.Platforms))
		}
	}
	return nil
}

// registryOf is the host part of a repository name, "" when it has none.
func registryOf(repo string) string {
	host, _, ok := strings.Cut(repo, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return ""
	}
	return host
}

func (b *builder) close() {
	if b.tree != nil {
		b.tree.close()
	}
	if b.store != nil {
		b.store.close()
	}
	_ = os.RemoveAll(b.work)
}

func (b *builder) note(format string, args ...any) {
	b.result.Notes = append(b.result.Notes, fmt.Sprintf(format, args...))
}

// choose reads the lock, the bases and the indexes and picks the wheels.
func (b *builder) choose(ctx context.Context) (map[string][]Choice, error) {
	l, err := b.readLock(b.Lock)
	if err != nil {
		return nil, err
	}
	if b.bases, err = b.openBases(ctx); err != nil {
		return nil, err
	}
	b.result.Base.Digest = b.bases.digest
	b.result.Notes = append(b.result.Notes, b.bases.notes...)
	client, err := b.indexFor(l)
	if err != nil {
		return nil, err
	}
	b.source = &source{client: client, files: map[string][]index.File{}}
	b.store = &store{client: client, dir: b.work, cache: b.deps.CacheDir, paths: map[string]fetched{}, installed: map[string]*wheel.Installed{}}
	choices, err := b.source.plan(ctx, l, b.Platforms, b.bases.facts)
	if err != nil {
		return nil, err
	}
	for _, p := range b.Platforms {
		b.result.Platforms = append(b.result.Platforms, Platform{Platform: p, Wheels: choices[p]})
		for _, c := range choices[p] {
			for _, n := range c.Notes {
				b.note("%s==%s: %s", c.Name, c.Version, n)
			}
		}
		b.deps.say("%s: %s chosen for %s", p, plural(len(choices[p]), "wheel", "wheels"), b.bases.facts[p].Target)
	}
	return choices, nil
}

// readLock reads a hashed requirements file of the context, or one outside it
// that the user named with an absolute path.
func (b *builder) readLock(name string) (lock.Lock, error) {
	if !filepath.IsAbs(name) {
		return lock.FromRequirements(b.tree.fsys, filepath.ToSlash(filepath.Clean(name)), b.deps.Getenv)
	}
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return lock.Lock{}, failure.New(failure.Usage, "", "opening the lock's folder: %w", err)
	}
	defer func() { _ = root.Close() }()
	return lock.FromRequirements(root.FS(), filepath.Base(name), b.deps.Getenv)
}

// indexFor adds what the lock says about indexes to the configuration.
func (b *builder) indexFor(l lock.Lock) (*index.Client, error) {
	c := b.Index
	c.IndexURL = cmp.Or(l.IndexURL, c.IndexURL)
	c.ExtraIndexURLs = append(slices.Clone(c.ExtraIndexURLs), l.ExtraIndexURLs...)
	c.NoIndex = c.NoIndex || l.NoIndex
	c.FindLinks = slices.Clone(c.FindLinks)
	for _, dir := range l.FindLinks {
		if !filepath.IsAbs(dir) && !strings.Contains(dir, "://") {
			dir = filepath.Join(b.Context, filepath.Dir(l.Path), dir)
		}
		c.FindLinks = append(c.FindLinks, dir)
	}
	if c.Warnf == nil {
		c.Warnf = b.note
	}
	client, err := index.New(c)
	if err != nil {
		return nil, failure.Wrap(failure.Usage, "", fmt.Errorf("configuring the package index: %w", err))
	}
	return client, nil
}

// assemble makes the image of each platform.
func (b *builder) assemble(ctx context.Context) (map[string]v1.Image, error) {
	choices, err := b.choose(ctx)
	if err != nil {
		return nil, err
	}
	var all []Choice
	for _, p := range b.Platforms {
		all = append(all, choices[p]...)
	}
	if err := b.store.fetch(ctx, all); err != nil {
		return nil, err
	}
	if err := b.tree.scan(); err != nil {
		return nil, err
	}
	images := map[string]v1.Image{}
	for _, p := range b.Platforms {
		if images[p], err = b.platform(p, choices[p]); err != nil {
			return nil, fmt.Errorf("building %s: %w", p, err)
		}
	}
	b.result.Notes = append(b.result.Notes, b.tree.notes...)
	return images, nil
}

// platform makes one platform's image.
func (b *builder) platform(p string, choices []Choice) (v1.Image, error) {
	facts := b.bases.facts[p]
	wheels, err := b.store.install(choices, facts.Target.Python)
	if err != nil {
		return nil, err
	}
	app, err := b.application(facts)
	if err != nil {
		return nil, err
	}
	if app.wheel != nil {
		wheels = append(wheels, *app.wheel)
	}
	all := wheels
	if app.own != nil {
		all = append(slices.Clone(wheels), *app.own)
	}
	if err := disagree(all); err != nil {
		return nil, err
	}
	venv, err := b.shop.venv(facts)
	if err != nil {
		return nil, err
	}
	layers := []*layer.Layer{venv}
	for _, g := range groups(wheels) {
		l, err := b.shop.wheels(g, facts.Target.Python)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	top, err := b.shop.app(app)
	if err != nil {
		return nil, err
	}
	layers = append(layers, top)

	command, err := entrypoint(b.Request, b.tree, commands(all))
	if err != nil {
		return nil, err
	}
	meta := b.metadata(b.bases.name, b.bases.digest)
	metrics := b.countsMetrics(wheels)
	set := func(c *v1.ConfigFile) { b.runtime(c, command, app.pythonPath, metrics, meta) }
	img, err := compose(b.bases.images[p], layers, set, meta, b.Created)
	if err != nil {
		return nil, err
	}
	return img, b.describe(p, img, layers)
}

// countsMetrics says whether the application is prepared to add up the numbers
// of several processes: prometheus_client is there, and gunicorn's settings
// name its folder. Setting the variable for any other would break it.
func (b *builder) countsMetrics(wheels []built) bool {
	if !slices.ContainsFunc(wheels, func(w built) bool { return w.Name == "prometheus-client" }) {
		return false
	}
	raw, err := b.tree.Read("gunicorn.conf.py")
	return err == nil && strings.Contains(string(raw), "PROMETHEUS_MULTIPROC_DIR")
}

// commands are the names of what wheels put into the venv's bin.
func commands(wheels []built) []string {
	var out []string
	for _, w := range wheels {
		for _, f := range w.Files {
			if name, ok := strings.CutPrefix(f.Path, "bin/"); ok && !strings.Contains(name, "/") {
				out = append(out, name)
			}
		}
	}
	return out
}
