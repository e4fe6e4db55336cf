package oci_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

type login struct{ user, password string }

func (l login) Resolve(authn.Resource) (authn.Authenticator, error) {
	if l.user == "" {
		return authn.Anonymous, nil
	}
	return &authn.Basic{Username: l.user, Password: l.password}, nil
}

func client(l login) *oci.Client {
	return oci.New(oci.Options{Keychain: l, RetryDelay: time.Millisecond, Tries: 3})
}

func start(t *testing.T, o registry.Options) *registry.Registry {
	t.Helper()
	r, err := registry.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func image(t *testing.T, arch string) v1.Image {
	t.Helper()
	img, err := random.Image(512, 3)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", arch
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

func index(t *testing.T) v1.ImageIndex {
	t.Helper()
	var add []mutate.IndexAddendum
	for _, arch := range []string{"amd64", "arm64"} {
		add = append(add, mutate.IndexAddendum{Add: image(t, arch), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	return mutate.AppendManifests(empty.Index, add...)
}

func digest(t *testing.T, a oci.Artifact) string {
	t.Helper()
	h, err := a.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func TestPushPullTag(t *testing.T) {
	ctx := context.Background()
	r := start(t, registry.Options{User: "u", Password: "p", Dir: t.TempDir()})
	c := client(login{"u", "p"})
	repo := r.Addr + "/acme/shop"
	img := image(t, "amd64")
	want := digest(t, img)
	if err := c.Push(ctx, repo, img, []string{"1", "latest"}); err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"1", "latest"} {
		if got, err := c.Digest(ctx, repo+":"+tag); err != nil || got != want {
			t.Errorf("Digest(%s) = %q, %v; want %q", tag, got, err, want)
		}
	}
	tagged, blobs := -1, -1
	for i, q := range r.Requests() {
		if strings.HasPrefix(q, "PUT /v2/acme/shop/manifests/1") {
			tagged = i
		}
		if strings.HasPrefix(q, "PUT /v2/acme/shop/blobs/") || q == "PUT /v2/acme/shop/manifests/"+want {
			blobs = i
		}
	}
	if tagged < blobs || blobs < 0 {
		t.Errorf("the tag was set at request %d, before blobs and digest at %d", tagged, blobs)
	}
	pulled, err := c.Image(ctx, repo+"@"+want, "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(pulled); err != nil {
		t.Error(err)
	}
	if s := c.Stats(); s.Requests == 0 || s.BytesUp < 1500 || s.BytesDown < 1500 {
		t.Errorf("Stats = %+v", s)
	}

	if err := c.Tag(ctx, repo+"@"+want, "staging"); err != nil {
		t.Fatal(err)
	}
	before := puts(r)
	if err := c.Tag(ctx, repo+"@"+want, "staging"); err != nil {
		t.Fatal(err)
	}
	if after := puts(r); after != before {
		t.Errorf("tagging twice wrote twice")
	}
	if err := c.Tag(ctx, repo+":latest", "x"); failure.CodeOf(err) != failure.Usage {
		t.Errorf("Tag of a tag = %v; want a usage error", err)
	}
	if ok, err := c.Exists(ctx, repo+"@sha256:"+strings.Repeat("0", 64)); ok || err != nil {
		t.Errorf("Exists(absent) = %v, %v", ok, err)
	}
	if ok, err := c.Exists(ctx, repo+"@"+want); !ok || err != nil {
		t.Errorf("Exists = %v, %v", ok, err)
	}
	again := client(login{"u", "p"})
	if err := again.Push(ctx, repo, mutateLabel(t, img), nil); err != nil {
		t.Fatal(err)
	}
	layers, _ := img.Layers()
	for _, l := range layers {
		h, _ := l.Digest()
		if !again.Existed(h.String()) {
			t.Errorf("layer %s was not found to exist", h)
		}
	}
}

func mutateLabel(t *testing.T, img v1.Image) v1.Image {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.Config.Labels = map[string]string{"a": "b"}
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

func puts(r *registry.Registry) int {
	n := 0
	for _, q := range r.Requests() {
		if strings.HasPrefix(q, "PUT ") {
			n++
		}
	}
	return n
}

func TestIndexes(t *testing.T) {
	ctx := context.Background()
	r := start(t, registry.Options{})
	c := client(login{})
	idx := index(t)
	repo := r.Addr + "/multi"
	if err := c.Push(ctx, repo, idx, []string{"1"}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "layout")
	for range 2 { // the second time replaces the first
		if err := oci.WriteLayout(dir, idx, "1"); err != nil {
			t.Fatal(err)
		}
	}
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		a, err := c.Image(ctx, repo+":1", platform)
		if err != nil {
			t.Fatal(err)
		}
		b, err := oci.ReadLayout(dir, platform)
		if err != nil {
			t.Fatal(err)
		}
		if digest(t, a) != digest(t, b) {
			t.Errorf("%s: registry and layout differ", platform)
		}
		cf, _ := a.ConfigFile()
		if "linux/"+cf.Architecture != platform {
			t.Errorf("asked %s, got %s", platform, cf.Architecture)
		}
	}
	if _, err := c.Image(ctx, repo+":1", "linux/s390x"); err == nil || !strings.Contains(err.Error(), "linux/amd64, linux/arm64") {
		t.Errorf("an absent platform = %v; want the platforms that are there", err)
	}
	if got, err := c.Index(ctx, repo+":1"); err != nil || digest(t, got) != digest(t, idx) {
		t.Errorf("Index: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "oci-layout"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := oci.WriteLayout(other, idx, ""); failure.CodeOf(err) != failure.Usage {
		t.Errorf("overwriting a folder of something else = %v", err)
	}
	var b bytes.Buffer
	if err := oci.WriteArchive(&b, "localhost/x:1", image(t, "amd64")); err != nil || b.Len() < 1024 {
		t.Errorf("archive: %d bytes, %v", b.Len(), err)
	}
}

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	img := image(t, "amd64")
	tests := []struct {
		name   string
		fault  registry.Fault
		login  login
		code   failure.Code
		wanted []string
	}{
		{"wrong password", registry.Fault{}, login{"u", "wrong"}, failure.Answer, []string{"acme/shop", "refuses the credentials"}},
		{"nobody", registry.Fault{}, login{}, failure.Answer, []string{"acme/shop", "refuses the credentials"}},
		{"forbidden", registry.Fault{Method: http.MethodPost, Status: 403}, login{"u", "p"}, failure.Answer, []string{"refuses the credentials"}},
		{"down", registry.Fault{Status: 503}, login{"u", "p"}, failure.Service, []string{"failed after retries"}},
		{"too many", registry.Fault{Method: http.MethodPost, Status: 429}, login{"u", "p"}, failure.Service, []string{"turned the request away"}},
		{"bad request", registry.Fault{Method: http.MethodPut, Path: "/manifests/", Status: 400}, login{"u", "p"}, failure.Answer, []string{"refuses it"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, registry.Options{User: "u", Password: "p"})
			if tt.fault.Status != 0 {
				r.Fail(tt.fault)
			}
			err := client(tt.login).Push(ctx, r.Addr+"/acme/shop", img, []string{"1"})
			if failure.CodeOf(err) != tt.code {
				t.Errorf("code = %d (%v); want %d", failure.CodeOf(err), err, tt.code)
			}
			for _, w := range append(tt.wanted, r.Addr) {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("error %v does not say %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "wrong") {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

func TestRetriesOverAFault(t *testing.T) {
	r := start(t, registry.Options{})
	r.Fail(registry.Fault{Method: http.MethodPut, Path: "/manifests/", Status: 503, Times: 1})
	if err := client(login{}).Push(context.Background(), r.Addr+"/x", image(t, "amd64"), []string{"1"}); err != nil {
		t.Error(err)
	}
}

func TestUnreachableAndPlainHTTP(t *testing.T) {
	ctx := context.Background()
	r := start(t, registry.Options{})
	_ = r.Close()
	if _, err := client(login{}).Digest(ctx, r.Addr+"/x:1"); failure.CodeOf(err) != failure.Service {
		t.Errorf("closed port = %v; want a service failure", err)
	}
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:1": true, "127.9.9.9": true, "[::1]:80": true, "[::1]": true,
		"10.0.0.1:5000": false, "registry.local": false, "localhost.example:80": false, "": false,
	} {
		if got := oci.Loopback(host); got != want {
			t.Errorf("Loopback(%q) = %v", host, got)
		}
	}
	for _, ref := range []string{"UPPER/x:1", "a b", "x@sha256:12", ""} {
		if _, err := client(login{}).Resolve(ctx, ref); failure.CodeOf(err) != failure.Usage {
			t.Errorf("Resolve(%q) = %v; want a usage error", ref, err)
		}
	}
}

type recorder struct {
	mu      sync.Mutex
	schemes []string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.schemes = append(r.schemes, req.URL.Scheme)
	return nil, errors.New("no network in tests")
}

func TestPrivateAddressesNeedTLS(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		rec := &recorder{}
		o := oci.Options{Keychain: login{}, Transport: rec, Tries: 1}
		if allowed {
			o.Insecure = []string{"10.0.0.1:5000"}
		}
		if _, err := oci.New(o).Digest(context.Background(), "10.0.0.1:5000/x:1"); err == nil {
			t.Fatal("no error without a network")
		}
		plain := strings.Contains(strings.Join(rec.schemes, " ")+" ", "http ")
		if plain != allowed {
			t.Errorf("insecure allowed: %v; schemes used: %v", allowed, rec.schemes)
		}
	}
}
