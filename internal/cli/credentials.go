package cli

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// registryFlags say how to sign in to the registry of the image; every command
// that writes there has them.
type registryFlags struct {
	RegistryUsername string `help:"Name to sign in to the image's registry with; the docker or podman configuration if not given, for ghcr.io inside Actions the job's own token." placeholder:"NAME"`
	RegistryHost     string `help:"Registry that they are for; the image's if not given." placeholder:"HOST"`
	RegistryPassword string `help:"Password or token for it. Give it as an action input, or in INPUT_REGISTRY-PASSWORD: a command line is readable for others." placeholder:"SECRET"`
}

// keychain is where credentials for registries come from. What the flags say is
// for one registry alone: a base image on another host never sees it.
func (r registryFlags) keychain(s *session, image string) (authn.Keychain, error) {
	s.gha.Mask(r.RegistryPassword)
	var chain []authn.Keychain
	switch {
	case (r.RegistryUsername == "") != (r.RegistryPassword == ""):
		return nil, failure.New(failure.Usage, "give both, or neither", "one of registry-username and registry-password is missing")
	case r.RegistryUsername != "":
		host, err := r.host(image)
		if err != nil {
			return nil, err
		}
		chain = append(chain, hostKeychain{host, authn.AuthConfig{Username: r.RegistryUsername, Password: r.RegistryPassword}})
	}
	// Who signed in by hand, with docker/login-action say, meant that.
	chain = append(chain, authn.DefaultKeychain, newCloudKeychain(s.gha.Mask))
	if token := s.githubToken(); token != "" {
		chain = append(chain, hostKeychain{"ghcr.io", authn.AuthConfig{Username: firstOf(s.Getenv("GITHUB_ACTOR"), "fairlead"), Password: token}})
	}
	return authn.NewMultiKeychain(chain...), nil
}

// host is the registry that the credentials are for.
func (r registryFlags) host(image string) (string, error) {
	if r.RegistryHost != "" {
		reg, err := name.NewRegistry(r.RegistryHost)
		if err != nil {
			return "", failure.New(failure.Usage, "", "registry-host %q: %w", r.RegistryHost, err)
		}
		return reg.RegistryStr(), nil
	}
	repo, _, _ := strings.Cut(image, "@")
	if repo == "" {
		return "", failure.New(failure.Usage, "registry-host: HOST", "registry-username is given, and no image says for which registry")
	}
	ref, err := name.ParseReference(repo)
	if err != nil {
		return "", failure.New(failure.Usage, "", "image %q: %w", image, err)
	}
	return ref.Context().RegistryStr(), nil
}

// hostKeychain knows the credentials of one registry.
type hostKeychain struct {
	host string
	auth authn.AuthConfig
}

// Resolve implements authn.Keychain.
func (k hostKeychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if r.RegistryStr() != k.host {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(k.auth), nil
}

// sshFlags say how to get to a host over ssh.
type sshFlags struct {
	SSHKey        string `name:"ssh-key" help:"Private key for an ssh host, as text; the user's own keys and agent if not given. Give it as an action input, or in INPUT_SSH-KEY." placeholder:"KEY"`
	SSHKnownHosts string `name:"ssh-known-hosts" help:"Keys of ssh hosts, lines as ssh-keyscan prints them; the user's known_hosts if not given." placeholder:"LINES"`
}

// githubToken is the token for GitHub's API and git, masked: the action's input,
// else the environment's.
func (s *session) githubToken() string {
	token := firstOf(strings.TrimSpace(s.Getenv("INPUT_GITHUB-TOKEN")), s.Getenv("GITHUB_TOKEN"))
	s.gha.Mask(token)
	return token
}

// githubServer is GitHub's address, without a slash at its end.
func (s *session) githubServer() string {
	return strings.TrimSuffix(firstOf(s.Getenv("GITHUB_SERVER_URL"), "https://github.com"), "/")
}

// gitEnviron adds credentials for GitHub to git's environment, for that host
// alone and for nothing that is written to a disk. A checkout whose credentials
// were not kept (persist-credentials: false) needs them.
func (s *session) gitEnviron(environ []string, remote string) []string {
	server := s.githubServer()
	token := s.githubToken()
	if token == "" || !sameHost(server, remote) {
		return environ
	}
	basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
	s.gha.Mask(basic)
	count := 0
	out := make([]string, 0, len(environ)+4)
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, "GIT_CONFIG_COUNT="); ok {
			count, _ = strconv.Atoi(v)
			continue
		}
		out = append(out, kv)
	}
	set := func(key, value string) {
		n := strconv.Itoa(count)
		out = append(out, "GIT_CONFIG_KEY_"+n+"="+key, "GIT_CONFIG_VALUE_"+n+"="+value)
		count++
	}
	key := "http." + server + "/.extraheader"
	set(key, "") // an earlier one, of a checkout that kept its own, would be sent as well
	set(key, "AUTHORIZATION: basic "+basic)
	return append(out, "GIT_CONFIG_COUNT="+strconv.Itoa(count), "GIT_TERMINAL_PROMPT=0")
}

// sameHost says whether two addresses have the same scheme, host and port.
func sameHost(a, b string) bool {
	x, errA := url.Parse(a)
	y, errB := url.Parse(b)
	return errA == nil && errB == nil && x.Host != "" && x.Scheme == y.Scheme && strings.EqualFold(x.Host, y.Host)
}
