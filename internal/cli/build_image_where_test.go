package cli

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image"
)

func TestDestinations(t *testing.T) {
	for _, tt := range []struct {
		image string
		tags  []string
		want  string
	}{
		{"ghcr.io/acme/shop", []string{"1", "latest", "1"}, "[{ghcr.io/acme/shop [1 latest]}]"},
		{"", []string{"ghcr.io/acme/shop:1", "ghcr.io/acme/shop:main", "127.0.0.1:5000/shop:1"}, "[{ghcr.io/acme/shop [1 main]} {127.0.0.1:5000/shop [1]}]"},
		{"ghcr.io/acme/shop", []string{"edge", "quay.example/shop:1"}, "[{ghcr.io/acme/shop [edge]} {quay.example/shop [1]}]"},
		{"ghcr.io/acme/shop", nil, "[{ghcr.io/acme/shop []}]"},
		{"", []string{"1"}, "error"},
		{"", []string{"ghcr.io/acme/shop"}, "error"},
		{"", []string{"127.0.0.1:5000/shop"}, "error"},
		{"", []string{"a/b@sha256:00"}, "error"},
	} {
		got, err := destinations(tt.image, tt.tags)
		text := fmt.Sprint(got)
		if err != nil {
			text = "error"
			if failure.CodeOf(err) != failure.Usage {
				t.Error(err)
			}
		}
		if text != tt.want {
			t.Errorf("%q %q: %s, want %s", tt.image, tt.tags, text, tt.want)
		}
	}
}

func TestWhere(t *testing.T) {
	for text, want := range map[string]string{
		"oci:out": "{oci out} false", "oci-archive:x.tar": "{oci-archive x.tar} false", "tar:a=b.tar": "{tar a=b.tar} false", "docker": "{docker } false", "podman": "{podman } false", "registry": "{ } true",
		"type=oci,dest=x.tar": "{oci-archive x.tar} false", "type=oci,dest=x,tar=false": "{oci x} false", "type=docker,dest=x.tar": "{tar x.tar} false", "type=docker": "{docker } false",
		"type=registry": "{ } true", "type=image,push=true": "{ } true", `type=oci,"dest=a,b"`: "{oci-archive a,b} false",
		"oci": "", "docker:x": "", "type=local,dest=x": "", "type=tar,dest=x": "", "type=oci": "", "type=image": "", "type=docker,compression=zstd": "", "zip:x": "", `type=oci,"x`: "",
	} {
		out, push, err := where(text)
		got := fmt.Sprint(out, push)
		if failure.CodeOf(err) == failure.Usage && failure.HintOf(err) != "" {
			got = ""
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", text, got, err, want)
		}
	}
}

func TestAnnotation(t *testing.T) {
	for text, want := range map[string]string{
		"a=b=c": "[{a b=c  }]", "index:a=b": "[{a b index }]", "manifest,index:a=x:y": "[{a x:y manifest } {a x:y index }]", "manifest[linux/arm64]:a=": "[{a  manifest linux/arm64}]",
		"a": "", "=b": "", "layer:a=b": "", "index[linux/amd64]:a=b": "", "index:=b": "",
	} {
		a, err := annotation(text)
		got := fmt.Sprint(a)
		if failure.CodeOf(err) == failure.Usage {
			got = ""
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", text, got, err, want)
		}
	}
}

func TestBuildxMetadata(t *testing.T) {
	r := &image.Result{Image: "r.example/shop", Digest: "sha256:1", MediaType: "m", ManifestSize: 5, Tags: []string{"1", "q.example/shop:2"}, Platforms: []image.Platform{{ImageID: "sha256:2"}}}
	var m map[string]any
	if err := json.Unmarshal([]byte(buildxMetadata(r)), &m); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(m); got != "map[containerimage.config.digest:sha256:2 containerimage.descriptor:map[digest:sha256:1 mediaType:m size:5] containerimage.digest:sha256:1 image.name:r.example/shop:1,q.example/shop:2]" {
		t.Error(got)
	}
	if imageID(r) != "sha256:2" {
		t.Error(imageID(r))
	}
	r.Platforms = append(r.Platforms, image.Platform{})
	if imageID(r) != "sha256:1" {
		t.Error(imageID(r))
	}
}
