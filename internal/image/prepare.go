package image

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/image/start"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

// defaultLock is read unless another lock is named.
const defaultLock = "requirements.txt"

// prepare checks a request and fills in its defaults.
func prepare(r Request, d Deps) (*builder, error) {
	r.Lock = cmp.Or(r.Lock, defaultLock)
	r.HostPython = cmp.Or(r.HostPython, "python3")
	r.Project = cmp.Or(r.Project, ProjectAuto)
	r.Cache = cmp.Or(r.Cache, CacheOn)
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
	if err := start.Check(r.Entrypoint, r.Processes); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(d.WorkDir, "fairlead-build-*")
	if err != nil {
		return nil, fmt.Errorf("making a folder to work in: %w", err)
	}
	b := &builder{Request: r, deps: d, work: work, shop: &workshop{dir: work, made: map[string]*layer.Layer{}}, inside: map[string][]built{},
		trees: map[string]*tree{}, locals: map[string][]lock.Package{}, ctx: context.Background(), made: map[string]dependencies{}}
	b.shop.told = b.moving
	b.result = &Result{Schema: 1, Tool: "build-image", Verdict: finding.Pass, Image: r.Image, Tags: []string{}, Layers: []Layer{}, Cache: Miss, Base: Base{Name: r.Base}}
	if public, err := index.DefaultURL(); err == nil {
		b.public = strings.TrimRight(public, "/")
	}
	if d.Registry != nil {
		b.before = d.Registry.Stats()
	}
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
	case !slices.Contains([]CacheMode{CacheOn, CacheRead, CacheVerify, CacheOff}, r.Cache):
		return failure.New(failure.Usage, "", "cache %q is neither on, read, verify nor off", r.Cache)
	case !slices.Contains([]ProjectMode{ProjectAuto, ProjectPackage, ProjectSource}, r.Project):
		return failure.New(failure.Usage, "", "project %q is neither auto, package nor source", r.Project)
	case !slices.Contains([]string{"", BytecodeNone, BytecodeAuto}, r.Bytecode):
		return failure.New(failure.Usage, "", "bytecode %q is neither auto nor none", r.Bytecode)
	case r.Test != nil && len(r.Test.Command) == 0:
		return failure.New(failure.Usage, `for example --test "pytest -q"`, "testing: no command is given")
	}
	for _, p := range r.Platforms {
		if baseOf(p) != "linux/amd64" && baseOf(p) != "linux/arm64" {
			return failure.New(failure.Usage, "linux/amd64 and linux/arm64 are supported", "platform %q is not supported", p)
		}
	}
	for _, o := range r.Outputs {
		if !slices.Contains([]OutputKind{OutputOCI, OutputOCITar, OutputTar, OutputDocker, OutputPodman}, o.Kind) {
			return failure.New(failure.Usage, "write oci:FOLDER, oci-archive:FILE, tar:FILE, docker or podman", "output %q is not known", o.Kind)
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
