package image

import (
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ownVariables are what build-image sets whatever the base has.
var ownVariables = []string{"VIRTUAL_ENV", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PORT", "PROMETHEUS_MULTIPROC_DIR"}

// transfer gives a new base's config what an image's has beyond its old base's.
// Where the old one is not known (nil), only what build-image itself sets counts
// among the variables, and all labels stay.
func transfer(image, before, to *v1.Config, labels map[string]string) {
	env, was := newEnvironment(to.Env), newEnvironment(nil)
	if before != nil {
		was = newEnvironment(before.Env)
	}
	prefix := "/" + venvDir + "/bin:"
	have := newEnvironment(image.Env)
	for _, k := range have.names {
		v := have.values[k]
		switch {
		case k == "PATH" && strings.HasPrefix(v, prefix):
			env.set(k, prefix+env.get(k, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
		case slices.Contains(ownVariables, k):
			env.set(k, v)
		case before != nil && !(slices.Contains(was.names, k) && was.values[k] == v):
			env.set(k, v)
		}
	}
	to.Env = env.list()
	to.Entrypoint, to.Cmd, to.User, to.WorkingDir = image.Entrypoint, image.Cmd, image.User, image.WorkingDir
	to.ExposedPorts, to.StopSignal, to.Healthcheck, to.OnBuild = image.ExposedPorts, image.StopSignal, nil, nil

	all := maps.Clone(to.Labels)
	if all == nil {
		all = map[string]string{}
	}
	maps.DeleteFunc(all, func(k, _ string) bool { return strings.HasPrefix(k, "org.opencontainers.image.") })
	for k, v := range image.Labels {
		if before != nil && !strings.HasPrefix(k, "org.opencontainers.image.") {
			if old, ok := before.Labels[k]; ok && old == v {
				continue // the old base's own
			}
		}
		all[k] = v
	}
	delete(all, baseName)
	delete(all, baseDigest)
	maps.Copy(all, labels)
	to.Labels = all
}
