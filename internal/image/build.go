package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/image/start"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// builder is one build on its way.
type builder struct {
	Request
	deps Deps
	work string

	tree   *tree
	trees  map[string]*tree          // folders that the project depends on
	locals map[string][]lock.Package // the same, by platform
	// project is the folder of the project: the context, or a member in it.
	project string
	lock    placed
	member  string // of the lock's workspace, "" if it has none
	// byteCode is what compiled, "" if nothing did.
	byteCode string

	source *source
	store  *store
	shop   *workshop
	bases  *bases
	inside map[string][]built // what each platform's image holds
	result *Result
	before oci.Stats // the client may have served others before

	// ctx is the build's, for layers that are fetched when they are read.
	ctx      context.Context
	public   string // the index that tools use when nothing is configured
	resolved string // digest of a base that a registry has
	memory   *memory
	forget   bool                    // what the cache has is not taken, but replaced
	made     map[string]dependencies // by platform
	watch    stopwatch
}

// Build assembles the image, tests it when asked, and publishes it: in this
// order, so that what fails is never published. Failed tests give a Result with
// verdict fail and no error.
func Build(ctx context.Context, r Request, d Deps) (*Result, error) {
	res, err := build(ctx, r, d, false)
	if errors.Is(err, errCache) && ctx.Err() == nil {
		d.say("%v; everything is made anew", err)
		res, err = build(ctx, r, d, true)
	}
	return res, explainRoom(err)
}

func build(ctx context.Context, r Request, d Deps, forget bool) (*Result, error) {
	start := d.Now()
	b, err := prepare(r, d)
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.ctx, b.forget = ctx, forget
	b.watch = stopwatch{since: start, at: b.before}
	images, err := b.assemble(ctx)
	if err != nil {
		return nil, err
	}
	what, err := b.combine(images)
	if err != nil {
		return nil, err
	}
	if b.ExpectDigest != "" && b.result.Digest != b.ExpectDigest {
		return nil, failure.New(failure.Answer, "something that is not pinned has changed in between: a base named by a tag, say",
			"assembled %s, expected %s; nothing was tested or published", b.result.Digest, b.ExpectDigest)
	}
	if b.Test != nil {
		if err := b.test(ctx, images); err != nil {
			return nil, err
		}
		b.phase("test", "%s", b.result.Verdict)
	}
	if b.result.Verdict == finding.Pass {
		if err := b.publish(ctx, what, images); err != nil {
			return nil, err
		}
		if b.Push {
			b.phase("publish", "%s", b.result.Digest)
		}
		b.remember(ctx, images)
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
	choices, err := b.choose(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.tree.scan(); err != nil {
		return nil, err
	}
	for _, p := range b.Platforms {
		facts := b.bases.facts[p]
		app, err := b.application(facts, b.locals[p])
		if err != nil {
			return nil, fmt.Errorf("planning %s: %w", p, err)
		}
		processes, err := b.starts(app, siteOf(facts.Target.Python), lockedIn(choices[p]), nil)
		if err != nil {
			return nil, err
		}
		b.enterProcesses(processes)
		b.planLayers(p, choices[p])
	}
	b.result.Notes = append(b.result.Notes, b.tree.notes...)
	b.finish(d.Now().Sub(start))
	return b.result, nil
}

func (b *builder) close() {
	if b.tree != nil {
		b.tree.close()
	}
	for _, t := range b.trees {
		t.close()
	}
	if b.store != nil {
		b.store.close()
	}
	_ = os.RemoveAll(b.work)
}

func (b *builder) note(format string, args ...any) {
	b.result.Notes = append(b.result.Notes, fmt.Sprintf(format, args...))
}

// assemble makes the image of each platform.
func (b *builder) assemble(ctx context.Context) (map[string]v1.Image, error) {
	choices, err := b.choose(ctx)
	if err != nil {
		return nil, err
	}
	var all []Choice
	for _, p := range b.Platforms {
		for _, c := range choices[p] {
			if c.stocked == nil {
				all = append(all, c)
			}
		}
	}
	b.phase("plan", "%s, %s in the cache", plural(b.count(choices), "wheel", "wheels"), b.inCache(choices))
	if !b.memory.warm {
		if err := b.fetchAndMake(ctx, all, choices); err != nil {
			return nil, err
		}
		b.phase("fetch", "%s", plural(len(all), "wheel", "wheels"))
	}
	if err := b.tree.scan(); err != nil {
		return nil, err
	}
	images := map[string]v1.Image{}
	for _, p := range b.Platforms {
		if images[p], err = b.platform(ctx, p, choices[p]); err != nil {
			return nil, fmt.Errorf("building %s: %w", p, err)
		}
	}
	b.result.Notes = append(b.result.Notes, b.tree.notes...)
	b.phase("assemble", "%s", plural(len(b.result.Layers), "layer", "layers"))
	return images, nil
}

func (b *builder) count(choices map[string][]Choice) (n int) {
	for _, c := range choices {
		n += len(c)
	}
	return n
}

// inCache says for people how many wheels need not be fetched.
func (b *builder) inCache(choices map[string][]Choice) string {
	if b.memory.warm {
		return "all"
	}
	n := 0
	for _, all := range choices {
		for _, c := range all {
			if c.stocked != nil {
				n++
			}
		}
	}
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

// platform makes one platform's image.
func (b *builder) platform(ctx context.Context, p string, choices []Choice) (v1.Image, error) {
	facts := b.bases.facts[p]
	deps, err := b.dependencies(ctx, p, choices)
	if err != nil {
		return nil, err
	}
	wheels := slices.Clone(deps.wheels)
	for _, w := range wheels {
		for _, warning := range w.Warnings {
			b.note("%s", warning)
		}
	}
	app, err := b.application(facts, b.locals[p])
	if err != nil {
		return nil, err
	}
	if app.wheel != nil {
		app.wheel.project = true
		wheels = append(wheels, *app.wheel)
	}
	all := append(slices.Clone(wheels), app.locals...)
	if app.own != nil {
		app.own.project = true
		all = append(all, *app.own)
	}
	if err := b.agree(ctx, p, all); err != nil {
		return nil, err
	}
	b.inside[p] = all
	layers := slices.Clone(deps.layers)
	if app.wheel != nil { // changes more often than what it depends on
		l, err := b.shop.wheels([]built{*app.wheel}, facts.Target.Python)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	processes, err := b.starts(app, siteOf(facts.Target.Python), lockedIn(choices), commands(all))
	if err != nil {
		return nil, err
	}
	b.enterProcesses(processes)
	metrics := slices.ContainsFunc(wheels, func(w built) bool { return w.Name == "prometheus-client" })
	program, err := processes.Launcher("/"+venvDir+"/bin/python", metrics)
	if err != nil {
		return nil, err
	}
	if err := b.compileApplication(ctx, facts, app); err != nil {
		return nil, err
	}
	app.entries = append(app.entries, layer.File(launcher, program, true))
	top, err := b.shop.app(app)
	if err != nil {
		return nil, err
	}
	layers = append(layers, top)

	meta := b.metadata(b.bases.name, b.bases.digestOf(p))
	set := func(c *v1.ConfigFile) {
		b.runtime(c, processes, app.pythonPath, metrics && countsMetrics(b.tree, app, siteOf(facts.Target.Python)), meta)
	}
	notes := maps.Clone(meta)
	maps.Copy(notes, on(b.Annotations, "manifest", p))
	img, err := compose(b.bases.images[p], stack(layers, b.Created), set, notes, b.Created)
	if err != nil {
		return nil, err
	}
	return img, b.describe(p, img, layers)
}

// dependencies are a platform's wheels and the layers of them: recalled, or made.
func (b *builder) dependencies(ctx context.Context, p string, choices []Choice) (dependencies, error) {
	if b.memory.warm {
		layers, err := b.layersOf(b.memory.found[p])
		return dependencies{wheels: installed(b.memory.found[p]), layers: layers}, err
	}
	facts := b.bases.facts[p]
	var wheels []built
	var fetched []Choice
	for _, c := range choices {
		switch {
		case c.single != nil:
			wheels = append(wheels, recalledSingle(c.single, c, wheel.Scheme{Python: facts.Target.Python}.Site()))
		case c.stocked != nil:
			wheels = append(wheels, recalledWheel(*c.stocked))
		default:
			fetched = append(fetched, c)
		}
	}
	made, err := b.store.install(fetched, facts.Target.Python)
	if err != nil {
		return dependencies{}, err
	}
	wheels = append(wheels, made...)
	slices.SortFunc(wheels, func(a, b built) int { return strings.Compare(a.Name, b.Name) })
	homes := map[string]string{}
	for _, c := range choices {
		homes[c.Wheel] = b.homeOf(c)
	}
	for i, w := range wheels {
		wheels[i].home = homes[w.Filename]
	}
	setApart(wheels)
	venv, err := b.shop.venv(facts)
	if err != nil {
		return dependencies{}, err
	}
	layers := []*layer.Layer{venv}
	for _, g := range groups(wheels, b.below(p)) {
		l, err := b.layerOf(ctx, p, g)
		if err != nil {
			return dependencies{}, err
		}
		layers = append(layers, l)
	}
	code, err := b.compileWheels(ctx, facts, wheels)
	if err != nil {
		return dependencies{}, err
	}
	if code != nil {
		layers = append(layers, code)
	}
	b.made[p] = dependencies{wheels, layers}
	return b.made[p], b.verify(p, layers)
}

// enterProcesses tells the result how the image starts.
func (b *builder) enterProcesses(p start.Plan) {
	b.result.Processes = map[string]string{}
	for _, q := range p.Processes {
		b.result.Processes[q.Name] = q.Text
	}
	b.result.Notes = append(b.result.Notes, p.Notes...)
}

// countsMetrics says whether the application is prepared to add up the numbers
// of several processes: gunicorn's settings or its own code name the folder or
// the collector. Setting the variable for any other would break it.
func countsMetrics(t *tree, app *application, site string) bool {
	told := func(raw []byte) bool {
		return bytes.Contains(raw, []byte("PROMETHEUS_MULTIPROC_DIR")) || bytes.Contains(raw, []byte("MultiProcessCollector"))
	}
	if raw, err := t.Read("gunicorn.conf.py"); err == nil && told(raw) {
		return true
	}
	return slices.ContainsFunc(app.modules(site), func(m start.Module) bool {
		raw, err := m.Read()
		return err == nil && told(raw)
	})
}

// commands are the names of what wheels put into the venv's bin.
func commands(wheels []built) []string {
	out := []string{}
	for _, w := range wheels {
		for _, root := range w.remembered {
			if name, ok := strings.CutPrefix(root, "bin/"); ok && !strings.Contains(name, "/") {
				out = append(out, name)
			}
		}
		for _, f := range w.Files {
			if name, ok := strings.CutPrefix(f.Path, "bin/"); ok && !strings.Contains(name, "/") {
				out = append(out, name)
			}
		}
	}
	return out
}
