package cli

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Clouds' registries are served by their own helpers, and no other host is.
func TestCloudKeychain(t *testing.T) {
	dir := t.TempDir()
	const script = "#!/bin/sh\nread host\necho \"$host\" >> " + "\"$0.asked\"\necho '{\"ServerURL\":\"x\",\"Username\":\"U\",\"Secret\":\"S\"}'\n"
	for _, p := range []string{"ecr-login", "gcr", "acr-env"} {
		text := script
		if p == "acr-env" {
			text = "#!/bin/sh\necho 'credentials not found in native keychain'; exit 1\n"
		}
		if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+p), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	masked := ""
	k := newCloudKeychain(func(s string) { masked += s })
	k.look = func(p string) (string, error) {
		if full := filepath.Join(dir, p); isFile(full) {
			return full, nil
		}
		return "", errors.New("not found")
	}
	for host, want := range map[string]string{
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com": "U:S", "public.ecr.aws": "U:S", "europe-docker.pkg.dev": "U:S", "gcr.io": "U:S", "eu.gcr.io": "U:S",
		"acme.azurecr.io": ":", "ghcr.io": ":", "gcr.io.evil.example": ":", "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example": ":", "127.0.0.1:5000": ":",
	} {
		for range 2 {
			reg, err := name.NewRegistry(host)
			if err != nil {
				t.Fatal(err)
			}
			a, err := k.Resolve(reg)
			if err != nil {
				t.Fatal(err)
			}
			c, err := authn.Authorization(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Username + ":" + c.Password; got != want {
				t.Errorf("%s: %q, want %q", host, got, want)
			}
		}
	}
	if masked != "SSSSS" {
		t.Errorf("masked %q: each secret once", masked)
	}
	asked, _ := os.ReadFile(filepath.Join(dir, "docker-credential-gcr.asked"))
	if n := len(splitLines(string(asked))); n != 3 {
		t.Errorf("the helper was asked %d times:\n%s", n, asked)
	}
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func splitLines(s string) []string {
	var out []string
	for _, l := range list(s, false) {
		if t, ok := l.(string); ok {
			out = append(out, t)
		}
	}
	return out
}
