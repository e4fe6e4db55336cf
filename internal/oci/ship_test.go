package oci_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

func patient(d time.Duration) *oci.Client {
	return oci.New(oci.Options{Keychain: login{}, RetryDelay: time.Millisecond, Tries: 3, Patience: d})
}

// pulled checks that a registry has an image, whole.
func pulled(t *testing.T, c *oci.Client, ref string, want v1.Image) {
	t.Helper()
	got, err := c.Image(context.Background(), ref, "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	a, _ := got.Digest()
	if b, _ := want.Digest(); a != b {
		t.Errorf("%s is %s; want %s", ref, a, b)
	}
}

func TestShip(t *testing.T) {
	for _, o := range []registry.Options{{}, {Strict: true}, {Strict: true, NoSingle: true}} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			r := start(t, o)
			c := patient(time.Second)
			img := image(t, "amd64")
			repo := r.Addr + "/acme/shop"
			c.Intend(repo)
			if err := c.Ship(context.Background(), oci.Shipment{Repo: repo, What: img, Tags: []string{"a", "b"}}); err != nil {
				t.Fatal(err)
			}
			pulled(t, c, repo+":a", img)
			pulled(t, c, repo+":b", img)
			// Again: everything is asked for, nothing is sent but the manifests.
			var sent []string
			before := len(r.Requests())
			if err := c.Ship(context.Background(), oci.Shipment{Repo: repo, What: img, Tags: []string{"a"}, Sent: func(d string, _ int64) { sent = append(sent, d) }}); err != nil {
				t.Fatal(err)
			}
			if len(sent) > 0 {
				t.Errorf("sent again: %v", sent)
			}
			for _, q := range r.Requests()[before:] {
				if !strings.HasPrefix(q, "HEAD ") && !strings.HasPrefix(q, "PUT /v2/acme/shop/manifests/") {
					t.Errorf("needless: %s", q)
				}
			}
		})
	}
}

// A push of which all but two blobs are known takes the fewest requests.
func TestShipKnown(t *testing.T) {
	r := start(t, registry.Options{Strict: true})
	c := patient(time.Second)
	img := image(t, "amd64")
	repo := r.Addr + "/acme/shop"
	c.Intend(repo)
	if err := c.Ship(context.Background(), oci.Shipment{Repo: repo, What: img, Tags: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	extra, err := random.Layer(2000, types.OCILayer)
	if err != nil {
		t.Fatal(err)
	}
	next, err := mutate.AppendLayers(img, extra)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	layers, _ := img.Layers()
	for _, l := range layers {
		d, _ := l.Digest()
		known[d.String()] = true
	}
	before := len(r.Requests())
	ship := oci.Shipment{Repo: repo, What: next, Tags: []string{"b"}, Has: func(d string) bool { return known[d] }}
	if err := c.Ship(context.Background(), ship); err != nil {
		t.Fatal(err)
	}
	pulled(t, c, repo+":b", next)
	if got := r.Requests()[before:]; len(got) < 3 || strings.Join(got[:2], " ") != "POST /v2/acme/shop/blobs/uploads/ POST /v2/acme/shop/blobs/uploads/" || got[2] != "PUT /v2/acme/shop/manifests/b" {
		t.Errorf("requests: %q", got)
	}

	// A blob that was there is gone: the manifest is refused, and all is well in the end.
	third, err := mutate.AppendLayers(next, extra)
	if err != nil {
		t.Fatal(err)
	}
	gone, _ := layers[0].Digest()
	r.Forget("acme/shop", gone.String())
	ship.What, ship.Tags = third, []string{"c"}
	if err := c.Ship(context.Background(), ship); err != nil {
		t.Fatal(err)
	}
	if lack := r.Complete("acme/shop", "c"); lack != "" {
		t.Errorf("the image lacks %s", lack)
	}
}

func TestShipMounts(t *testing.T) {
	r := start(t, registry.Options{Strict: true})
	c := patient(time.Second)
	img := image(t, "amd64")
	cache, repo := r.Addr+"/acme/cache", r.Addr+"/acme/shop"
	c.Intend(repo, cache)
	c.Intend(cache)
	if err := c.Ship(context.Background(), oci.Shipment{Repo: cache, What: img, Tags: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	sent := 0
	err := c.Ship(context.Background(), oci.Shipment{Repo: repo, What: img, Tags: []string{"a"},
		From: func(string) string { return "acme/cache" }, Sent: func(string, int64) { sent++ }})
	if err != nil {
		t.Fatal(err)
	}
	if up := r.Complete("acme/shop", "a"); up != "" {
		t.Errorf("lacks %s", up)
	}
	for _, q := range r.Requests() {
		if strings.HasPrefix(q, "PUT /v2/acme/shop/blobs") {
			t.Errorf("sent instead of mounted: %s", q)
		}
	}
}

// skipping is a layer that can be read from its middle.
type skipping struct{ v1.Layer }

func (s skipping) Compressed() (io.ReadCloser, error) {
	r, err := s.Layer.Compressed()
	return fromMiddle{r}, err
}

type fromMiddle struct{ io.ReadCloser }

func (f fromMiddle) Skip(n int64) error {
	_, err := io.CopyN(io.Discard, f.ReadCloser, n)
	return err
}

// Large blobs go in parts, which are resumed after a cut.
func TestShipLargeResumes(t *testing.T) {
	r := start(t, registry.Options{Strict: true, NoSingle: true})
	whole, err := random.Layer(80<<20, types.OCILayer)
	if err != nil {
		t.Fatal(err)
	}
	layer := skipping{whole}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	repo := r.Addr + "/acme/large"
	c := patient(time.Minute)
	c.Intend(repo)
	r.Fail(registry.Fault{Method: "PATCH", Status: 503, Times: 1})
	if err := c.Ship(context.Background(), oci.Shipment{Repo: repo, What: img, Tags: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	if lack := r.Complete("acme/large", "a"); lack != "" {
		t.Errorf("lacks %s", lack)
	}
	up := c.Stats().BytesUp
	if up > 80<<20+33<<20 {
		t.Errorf("%d bytes sent for a blob of 80 MiB with one cut", up)
	}
	d, _ := layer.Digest()
	size, _ := layer.Size()
	r.Trouble.Make(0, registry.Cuts)
	b, err := c.Blob(context.Background(), repo, v1.Descriptor{Digest: d, Size: size})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, b); err != nil || n != size {
		t.Errorf("%d of %d bytes: %v", n, size, err)
	}
	if down := c.Stats().BytesDown; down > size+2<<20 {
		t.Errorf("%d bytes fetched for a blob of %d, with one cut", down, size)
	}
}

// Whatever a registry does to any single request of a push: the image is there,
// whole, or there is an error, and no tag points at something incomplete.
func TestShipMischief(t *testing.T) {
	img := image(t, "amd64")
	idx := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: img}, mutate.IndexAddendum{Add: image(t, "arm64")})
	for name, what := range map[string]oci.Artifact{"image": img, "index": idx} {
		for _, kind := range registry.Mischiefs {
			for n := 0; ; n++ {
				r := start(t, registry.Options{Strict: true, NoSingle: n%2 == 1})
				c := patient(300 * time.Millisecond)
				repo := r.Addr + "/acme/shop"
				r.Trouble.Make(n, kind)
				err := c.Ship(context.Background(), oci.Shipment{Repo: repo, What: what, Tags: []string{"v1"}})
				_, hit := r.Trouble.Seen()
				if hit == "" {
					break
				}
				at := fmt.Sprintf("%s: request %d (%s) %s", name, n, hit, kind)
				tags := r.Tags("acme/shop")
				want, _ := what.Digest()
				switch {
				case err == nil && tags["v1"] != want.String():
					t.Errorf("%s: no error, and the tag is %q", at, tags["v1"])
				case err != nil && kind != registry.Forbids && kind != registry.Lies && kind != registry.Vanishes:
					t.Errorf("%s: %v", at, err)
				}
				if len(tags) > 0 {
					if lack := r.Complete("acme/shop", "v1"); lack != "" {
						t.Errorf("%s: the tag's image lacks %s", at, lack)
					}
				}
				_ = r.Close()
			}
		}
	}
}
