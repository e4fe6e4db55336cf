package image_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/image/cache"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

// at are deps at a time.
func at(day time.Time) image.Deps {
	d := deps()
	d.Now = func() time.Time { return day }
	return d
}

// pruneWorld is a repository with entries of two days.
func pruneWorld(t *testing.T) (image.Request, *registry.Registry, time.Time) {
	t.Helper()
	w, r, reg := warmWorld(t, registry.Options{})
	r.Platforms = []string{"linux/amd64"}
	day := time.Date(2026, 3, 1, 15, 0, 0, 0, time.UTC)
	build(t, r, at(day))
	w.add(wheeltest.Wheel{Name: "more", Version: "1", Files: map[string]string{"more.py": "1"}})
	r.Tags = []string{"v2"}
	build(t, r, at(day.AddDate(0, 0, 20)))
	return r, reg, day.AddDate(0, 0, 40)
}

func TestPrune(t *testing.T) {
	for _, c := range []struct {
		name string
		with cache.Pruning
		gone int
	}{
		{"all are new enough", cache.Pruning{KeepNewer: 60 * 24 * time.Hour}, 0},
		{"the older ones", cache.Pruning{KeepNewer: 30 * 24 * time.Hour}, 2}, // the first lock's, and the large wheel
		{"all", cache.Pruning{}, 3},
		{"but what the first image is made of", cache.Pruning{KeepTags: []string{"v1"}}, 1},
		{"but what the second image is made of", cache.Pruning{KeepTags: []string{"v2"}}, 1},
		{"but what both are made of", cache.Pruning{KeepTags: []string{"v1", "v2"}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, reg, now := pruneWorld(t)
			store := cache.Store{Client: deps().Registry, Repo: r.Image, Now: now}
			before := reg.Tags("acme/shop")
			writes := len(reg.Writes())
			dry, err := store.Prune(t.Context(), c.with)
			if err != nil {
				t.Fatal(err)
			}
			gone := 0
			for _, e := range dry.Entries {
				if !e.Keep {
					gone++
				}
				if e.Deleted || e.Why == "" || len(e.Tags) == 0 || len(e.Wheels) == 0 || e.Created == "" || e.Size == 0 {
					t.Errorf("entry %+v", e)
				}
			}
			if gone != c.gone || dry.Foreign != 2 || len(dry.Entries) != 3 || len(reg.Writes()) != writes {
				t.Errorf("%d would go, want %d; %d other tags; %+v; writes %q", gone, c.gone, dry.Foreign, dry.Entries, reg.Writes()[writes:])
			}
			if (dry.Frees == 0) != (gone == 0) && len(c.with.KeepTags) == 0 {
				t.Errorf("%d entries go, and free %d bytes", gone, dry.Frees)
			}
			c.with.Delete = true
			if _, err := store.Prune(t.Context(), c.with); err != nil {
				t.Fatal(err)
			}
			after := reg.Tags("acme/shop")
			for tag, digest := range before {
				if strings.HasPrefix(tag, "v") && after[tag] != digest {
					t.Errorf("the tag %s is gone", tag)
				}
			}
			digests := map[string]bool{}
			for _, d := range after {
				digests[d] = true
			}
			if len(digests) != 2+3-c.gone {
				t.Errorf("after it there are %v", after)
			}
			for tag := range after {
				if lack := reg.Complete("acme/shop", tag); lack != "" {
					t.Errorf("%s lacks %s", tag, lack)
				}
			}
			// And the next build is what it was.
			r.Tags = []string{"v2"}
			if res := build(t, r, deps()); res.Digest != before["v2"] {
				t.Errorf("digest %s; want %s", res.Digest, before["v2"])
			}
		})
	}
}

// Only entries are deleted: what somebody else keeps under such a tag, and an
// entry that somebody has tagged, stay.
func TestPruneOthers(t *testing.T) {
	for _, byDigest := range []bool{false, true} {
		r, reg, now := pruneWorld(t)
		if byDigest {
			reg.Fail(registry.Fault{Method: "DELETE", Path: "/manifests/deps-", Status: 400})
			reg.Fail(registry.Fault{Method: "DELETE", Path: "/manifests/last-", Status: 405})
			reg.Fail(registry.Fault{Method: "DELETE", Path: "/manifests/whl-", Status: 400})
		}
		image1, _ := reg.Manifest("acme/shop", "v1")
		image2, _ := reg.Manifest("acme/shop", "v2")
		lookalike := cache.Prefix + strings.Repeat("0", 64)
		reg.Plant("acme/shop", lookalike, image1)
		reg.Plant("acme/shop", "deps-of-mine", image2)
		wheel := tagsWith(reg, "acme/shop", cache.WheelPrefix)[0]
		kept, _ := reg.Manifest("acme/shop", wheel)
		reg.Plant("acme/shop", "precious", kept)
		before := reg.Tags("acme/shop")
		store := cache.Store{Client: deps().Registry, Repo: r.Image, Now: now}
		res, err := store.Prune(t.Context(), cache.Pruning{Delete: true})
		if err != nil {
			t.Fatal(err)
		}
		after := reg.Tags("acme/shop")
		for _, tag := range []string{"v1", "v2", lookalike, "deps-of-mine", "precious", wheel} {
			if after[tag] != before[tag] {
				t.Errorf("by digest %v: the tag %s is gone", byDigest, tag)
			}
		}
		if len(after) != 6 {
			t.Errorf("by digest %v: left %v", byDigest, after)
		}
		if !slices.ContainsFunc(res.Entries, func(e cache.PrunedEntry) bool { return strings.Contains(e.Why, "precious") }) {
			t.Errorf("nothing is said: %+v", res.Entries)
		}
	}
}

// Registries that do not list, or do not delete, are told apart from others.
func TestPruneRegistries(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault registry.Fault
		want  string
		code  failure.Code
		is    error
	}{
		{"no list", registry.Fault{Path: "/tags/list", Status: 405}, "listing the tags", failure.Answer, oci.ErrUnsupported},
		{"no delete", registry.Fault{Method: "DELETE", Status: 405}, "deleting", failure.Answer, oci.ErrUnsupported},
		{"may not", registry.Fault{Method: "DELETE", Status: 403}, "refuses the credentials", failure.Answer, nil},
		{"down", registry.Fault{Path: "/tags/list", Status: 503}, "failed after retries", failure.Service, nil},
		{"busy at times", registry.Fault{Method: "DELETE", Status: 503, Times: 1}, "", failure.OK, nil},
	} {
		r, reg, now := pruneWorld(t)
		reg.Fail(c.fault)
		_, err := cache.Store{Client: deps().Registry, Repo: r.Image, Now: now}.Prune(t.Context(), cache.Pruning{Delete: true})
		switch {
		case c.want == "" && err == nil:
		case err == nil || !strings.Contains(err.Error(), c.want) || failure.CodeOf(err) != c.code || c.is != nil && !errors.Is(err, c.is) || failure.HintOf(err) == "":
			t.Errorf("%s: err = %v, code %d, hint %q", c.name, err, failure.CodeOf(err), failure.HintOf(err))
		}
	}
}
