package image_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

// apart are the groups of small wheels in the layers.
func apart(res *image.Result) string {
	var out []string
	for _, l := range res.Layers {
		if l.From == "wheels" && !strings.HasPrefix(l.Wheels[0], "Large") && !strings.HasPrefix(l.Wheels[0], "speed") {
			out = append(out, strings.Join(l.Wheels, "+"))
		}
	}
	slices.Sort(out)
	return strings.ReplaceAll(strings.Join(out, " "), "-1-py3-none-any.whl", "")
}

// Wheels from elsewhere than the others have layers of their own, and a warm
// build, a build after a bump and a cold one agree on that.
func TestPrivateApart(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(w, own *world, r *image.Request)
		want string
		why  string
	}{
		{"all from one place", func(w, own *world, r *image.Request) {
			r.Index.FindLinks = []string{w.wheels}
		}, "insider+outsider+served-2.0-py3-none-any.whl", ""},
		{"a second index", func(w, own *world, r *image.Request) {
			_, r.Index = w.index()
			_, second := own.index()
			r.Index.ExtraIndexURLs = []string{second.IndexURL}
		}, "insider outsider+served-2.0-py3-none-any.whl", "private (127.0.0.1:"},
		{"a wheelhouse", func(w, own *world, r *image.Request) {
			_, r.Index = w.index()
			r.Index.FindLinks = []string{own.wheels}
		}, "insider outsider+served-2.0-py3-none-any.whl", "private ("},
		{"a lock that says it", func(w, own *world, r *image.Request) {
			_, r.Index = w.index()
			_, second := own.index()
			var lock strings.Builder
			lock.WriteString("lock-version = '1.0'\ncreated-by = 'test'\n")
			for _, p := range [][3]string{{"served", "2.0", r.Index.IndexURL}, {"outsider", "1", r.Index.IndexURL}, {"insider", "1", second.IndexURL}} {
				file := p[0] + "-" + p[1] + "-py3-none-any.whl"
				at, sums := w, w.sums
				if p[0] == "insider" {
					at, sums = own, own.sums
				}
				_, cfg := at.index()
				fmt.Fprintf(&lock, "[[packages]]\nname = '%s'\nversion = '%s'\nindex = '%s'\n[[packages.wheels]]\nname = '%s'\nurl = '%s/files/%s'\nhashes = {sha256 = '%s'}\n", p[0], p[1], p[2], file,
					strings.TrimSuffix(cfg.IndexURL, "/simple"), file, sums[file])
			}
			w.file("pylock.toml", lock.String())
			r.Lock = "pylock.toml"
		}, "insider outsider+served-2.0-py3-none-any.whl", "private (127.0.0.1:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, r, _ := warmWorld(t, registry.Options{})
			own := &world{t: t, wheels: t.TempDir(), context: w.context, sums: map[string]string{}}
			r.Platforms = []string{"linux/amd64"}
			outsider := wheeltest.Wheel{Name: "outsider", Version: "1", Files: map[string]string{"outsider.py": "1"}}
			insider := wheeltest.Wheel{Name: "insider", Version: "1", Files: map[string]string{"insider.py": "1"}}
			w.add(outsider)
			own.add(insider)
			if c.name == "all from one place" {
				w.write(w.wheels+"/"+insider.Filename(), string(insider.Build()))
			}
			c.set(w, own, &r)
			cold := build(t, r, deps())
			if got := apart(cold); got != c.want {
				t.Errorf("groups %q; want %q", got, c.want)
			}
			plan, err := image.Plan(t.Context(), r, deps())
			if err != nil {
				t.Fatal(err)
			}
			var why []string
			for _, g := range plan.Platforms[0].Groups {
				why = append(why, g.Why)
			}
			if !strings.Contains(strings.Join(why, "\n"), c.why) || c.why == "" && strings.Contains(strings.Join(why, "\n"), "private") {
				t.Errorf("reasons %q", why)
			}
			if warm := build(t, r, deps()); warm.Digest != cold.Digest || warm.Cache != image.Hit {
				t.Errorf("warm: %s, cache %s; cold %s", warm.Digest, warm.Cache, cold.Digest)
			}
			if r.Lock != "" {
				return
			}
			w.add(wheeltest.Wheel{Name: "more", Version: "1", Files: map[string]string{"more.py": "1"}})
			off := r
			off.Cache, off.Push = image.CacheOff, false
			want := build(t, off, deps())
			if bumped := build(t, r, deps()); bumped.Digest != want.Digest || bumped.Cache != image.Partial {
				t.Errorf("bumped: %s, cache %s, groups %q; cold %s, %q", bumped.Digest, bumped.Cache, apart(bumped), want.Digest, apart(want))
			}
		})
	}
}
