package image

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/image/start"
)

// inherited are base layer types with the same bytes under OCI's name: one
// image, one family of media types.
var inherited = map[types.MediaType]types.MediaType{
	types.DockerLayer:             types.OCILayer,
	types.DockerUncompressedLayer: types.OCIUncompressedLayer,
}

// assembledBy marks our layers in an image's history.
const assembledBy = "fairlead build-image"

// stack is our layers as they are put on a base.
func stack(layers []*layer.Layer, created time.Time) []mutate.Addendum {
	var out []mutate.Addendum
	for _, l := range layers {
		out = append(out, mutate.Addendum{Layer: l, MediaType: types.OCILayer, History: v1.History{
			Created: v1.Time{Time: created}, CreatedBy: assembledBy, Comment: l.Comment,
		}})
	}
	return out
}

// compose puts our layers on a base: config and history are made anew from the
// base's and our own inputs.
func compose(baseImage v1.Image, layers []mutate.Addendum, set func(*v1.ConfigFile), annotations map[string]string, created time.Time) (v1.Image, error) {
	from, err := baseImage.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the base image's config: %w", err)
	}
	below, err := baseImage.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading the base image's layers: %w", err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		OS: "linux", Architecture: from.Architecture, Variant: from.Variant, Config: *from.Config.DeepCopy(),
		RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, fmt.Errorf("making the image's config: %w", err)
	}
	var add []mutate.Addendum
	for i, l := range below {
		mt, err := l.MediaType()
		if err != nil {
			return nil, fmt.Errorf("reading the base image's layers: %w", err)
		}
		if oci, ok := inherited[mt]; ok {
			mt = oci
		}
		add = append(add, mutate.Addendum{Layer: l, MediaType: mt, History: baseHistory(from, i)})
	}
	add = append(add, layers...)
	if img, err = mutate.Append(img, add...); err != nil {
		return nil, fmt.Errorf("stacking layers: %w", err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("making the image's config: %w", err)
	}
	c = c.DeepCopy()
	c.Created = v1.Time{Time: created}
	set(c)
	if img, err = mutate.ConfigFile(img, c); err != nil {
		return nil, fmt.Errorf("making the image's config: %w", err)
	}
	if len(annotations) > 0 {
		annotated, ok := mutate.Annotations(img, annotations).(v1.Image)
		if !ok {
			return nil, fmt.Errorf("annotating the image: not an image any more")
		}
		img = annotated
	}
	return img, nil
}

// baseHistory is the i-th entry of the base's history that made a layer: with
// one entry a layer, ours line up.
func baseHistory(c *v1.ConfigFile, i int) v1.History {
	for _, h := range c.History {
		if h.EmptyLayer {
			continue
		}
		if i == 0 {
			return h
		}
		i--
	}
	return v1.History{CreatedBy: "base image"}
}

// runtime sets what a container of the image needs.
func (r Request) runtime(c *v1.ConfigFile, processes start.Plan, pythonPath []string, metrics bool, labels map[string]string) {
	env := newEnvironment(c.Config.Env)
	env.set("PATH", "/"+path.Join(venvDir, "bin")+":"+env.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
	env.set("VIRTUAL_ENV", "/"+venvDir)
	env.set("PYTHONUNBUFFERED", "1")
	env.set("PYTHONDONTWRITEBYTECODE", "1")
	if len(pythonPath) > 0 {
		env.set("PYTHONPATH", strings.Join(pythonPath, ":"))
	}
	env.set("PORT", fmt.Sprint(r.Port))
	if metrics {
		// prometheus_client adds up the numbers of several processes only there.
		// The launcher makes the folder: /tmp is the one place it can write.
		env.set("PROMETHEUS_MULTIPROC_DIR", "/tmp/prometheus")
	}
	c.Config.Env = env.list()
	c.Config.Entrypoint = []string{"/" + launcher}
	c.Config.Cmd = []string{processes.Processes[0].Name}
	c.Config.StopSignal = "" // the base's is for what the base runs; servers end on SIGTERM
	c.Config.User = r.User
	c.Config.WorkingDir = "/" + appDir
	c.Config.ExposedPorts = map[string]struct{}{fmt.Sprintf("%d/tcp", r.Port): {}}
	c.Config.Healthcheck = nil // the base's knows nothing of the application
	c.Config.OnBuild = nil
	all := maps.Clone(c.Config.Labels)
	if all == nil {
		all = map[string]string{}
	}
	// What the base says of itself is not true of the image.
	maps.DeleteFunc(all, func(k, _ string) bool { return strings.HasPrefix(k, "org.opencontainers.image.") })
	maps.Copy(all, labels)
	for _, p := range processes.Processes {
		all[labelProcess+p.Name] = p.Text
	}
	maps.Copy(all, r.Labels)
	c.Config.Labels = all
}

// metadata are the OCI annotations, which are labels too for tools that only
// read the config.
func (r Request) metadata(baseName, baseDigest string) map[string]string {
	out := map[string]string{}
	for k, v := range map[string]string{
		"source": r.Source, "revision": r.Revision, "version": r.Version,
		"created":   r.Created.UTC().Format(time.RFC3339),
		"base.name": baseName, "base.digest": baseDigest,
	} {
		if v != "" {
			out["org.opencontainers.image."+k] = v
		}
	}
	return out
}

// environment is a list of variables in the order they were first set.
type environment struct {
	names  []string
	values map[string]string
}

func newEnvironment(pairs []string) *environment {
	e := &environment{values: map[string]string{}}
	for _, kv := range pairs {
		k, v, _ := strings.Cut(kv, "=")
		e.set(k, v)
	}
	return e
}

func (e *environment) set(k, v string) {
	if !slices.Contains(e.names, k) {
		e.names = append(e.names, k)
	}
	e.values[k] = v
}

func (e *environment) get(k, otherwise string) string {
	if v := e.values[k]; v != "" {
		return v
	}
	return otherwise
}

func (e *environment) list() []string {
	var out []string
	for _, k := range e.names {
		out = append(out, k+"="+e.values[k])
	}
	return out
}
