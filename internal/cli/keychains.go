package cli

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
	"sync"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/google/go-containerregistry/pkg/authn"
)

// helper is a cloud's own program that knows the credentials of its registries.
type helper struct {
	hosts   *regexp.Regexp
	program string // docker-credential-<program>
}

// helpers are the clouds' credential helpers. A docker or podman configuration
// that names a helper for a registry is asked before.
func helpers() []helper {
	return []helper{
		{regexp.MustCompile(`^([0-9]{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|on\.aws)|public\.ecr\.aws)$`), "ecr-login"},
		{regexp.MustCompile(`^([a-z0-9-]+-docker\.pkg\.dev|([a-z]+\.)?gcr\.io)$`), "gcloud"},
		{regexp.MustCompile(`^([a-z0-9-]+-docker\.pkg\.dev|([a-z]+\.)?gcr\.io)$`), "gcr"},
		{regexp.MustCompile(`^[a-z0-9-]+\.azurecr\.(io|cn|us)$`), "acr-env"},
	}
}

// cloudKeychain asks the helper of the cloud that a registry belongs to, where
// the helper is installed. Its answers are kept for the time of the command.
type cloudKeychain struct {
	look func(program string) (string, error)
	mask func(secret string)
	mu   sync.Mutex
	seen map[string]authn.Authenticator
}

func newCloudKeychain(mask func(string)) *cloudKeychain {
	return &cloudKeychain{look: exec.LookPath, mask: mask, seen: map[string]authn.Authenticator{}}
}

var _ authn.Keychain = (*cloudKeychain)(nil)

// Resolve implements authn.Keychain. A helper without credentials, or one that
// fails, leaves the registry to the next keychain.
func (k *cloudKeychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), r)
}

// ResolveContext implements authn.ContextKeychain.
func (k *cloudKeychain) ResolveContext(_ context.Context, r authn.Resource) (authn.Authenticator, error) {
	host := r.RegistryStr()
	k.mu.Lock()
	defer k.mu.Unlock()
	if a, ok := k.seen[host]; ok {
		return a, nil
	}
	k.seen[host] = authn.Anonymous
	for _, h := range helpers() {
		if !h.hosts.MatchString(host) {
			continue
		}
		program, err := k.look("docker-credential-" + h.program)
		if err != nil {
			continue
		}
		c, err := client.Get(client.NewShellProgramFunc(program), "https://"+host)
		if err != nil || c.Secret == "" {
			continue
		}
		k.mask(c.Secret)
		auth := authn.AuthConfig{Username: c.Username, Password: c.Secret}
		if strings.EqualFold(c.Username, "<token>") { // an identity token, as docker's helpers say it
			auth = authn.AuthConfig{IdentityToken: c.Secret}
		}
		k.seen[host] = authn.FromConfig(auth)
		break
	}
	return k.seen[host], nil
}
