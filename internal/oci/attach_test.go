package oci_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/partial"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// TestAttach: documents are found again, with the referrers API and without it;
// attaching the same twice changes nothing.
func TestAttach(t *testing.T) {
	for _, api := range []bool{true, false} {
		ctx := context.Background()
		r := start(t, registry.Options{Referrers: api, User: "u", Password: "p"})
		c := client(login{"u", "p"})
		repo := r.Addr + "/acme/shop"
		img := image(t, "amd64")
		if err := c.Push(ctx, repo, img, []string{"1"}); err != nil {
			t.Fatal(err)
		}
		subject, err := partial.Descriptor(img)
		if err != nil {
			t.Fatal(err)
		}
		docs := []oci.Attachment{
			{Type: "application/spdx+json", Data: []byte(`{"a": 1}`), Annotations: map[string]string{"x": "y"}},
			{Type: "application/vnd.cyclonedx+json", Data: []byte(`{"b": 2}`)},
		}
		digests := map[string]bool{}
		for range 2 {
			for _, d := range docs {
				got, err := c.Attach(ctx, repo, *subject, d)
				if err != nil {
					t.Fatal(err)
				}
				digests[got] = true
			}
		}
		if len(digests) != 2 {
			t.Errorf("referrers API %v: attaching twice gave %d artifacts", api, len(digests))
		}
		for _, ref := range []string{repo + ":1", repo + "@" + digest(t, img)} {
			for _, d := range docs {
				got, err := c.Attached(ctx, ref, d.Type)
				if err != nil {
					t.Fatal(err)
				}
				if len(got) != 1 || string(got[0].Data) != string(d.Data) || got[0].Annotations["x"] != d.Annotations["x"] {
					t.Errorf("referrers API %v, %s: %q", api, ref, got)
				}
			}
		}
		if got, err := c.Attached(ctx, repo+":1", "text/plain"); err != nil || len(got) != 0 {
			t.Errorf("another type: %q, %v", got, err)
		}
		fallback := false
		for _, q := range r.Requests() {
			fallback = fallback || strings.HasPrefix(q, "PUT /v2/acme/shop/manifests/sha256-")
		}
		if fallback == api {
			t.Errorf("referrers API %v: fallback tag written: %v", api, fallback)
		}
		r.Fail(registry.Fault{Method: http.MethodPut, Path: "/manifests/", Status: 403})
		if _, err := c.Attach(ctx, repo, *subject, oci.Attachment{Type: "text/x", Data: []byte("x")}); failure.CodeOf(err) != failure.Answer || !strings.Contains(err.Error(), repo) {
			t.Errorf("refused: %v", err)
		}
	}
}
