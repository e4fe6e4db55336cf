package cli

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/fairlead-ci/fairlead/internal/gha"
)

func testSession(env map[string]string) *session {
	getenv := func(k string) string { return env[k] }
	return &session{Env: Env{Getenv: getenv}, gha: gha.New(getenv, io.Discard), format: "text"}
}

// Credentials go to the registry they are for, and to no other.
func TestRegistryCredentialsAreBoundToTheirHost(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("REGISTRY_AUTH_FILE", t.TempDir()+"/none.json")
	token := map[string]string{"GITHUB_TOKEN": "ghs_x", "GITHUB_ACTOR": "ann"}
	own := registryFlags{RegistryUsername: "bob", RegistryPassword: "pw"}
	for _, c := range []struct {
		name  string
		env   map[string]string
		flags registryFlags
		image string
		ask   string
		want  string // user:password
	}{
		{"own", nil, own, "reg.example/a/b", "reg.example", "bob:pw"},
		{"own, other host", nil, own, "reg.example/a/b", "base.example", ":"},
		{"own, named host, no image", nil, registryFlags{RegistryUsername: "bob", RegistryPassword: "pw", RegistryHost: "r2.example"}, "", "r2.example", "bob:pw"},
		{"own wins over the token", token, own, "ghcr.io/a/b@sha256:" + strings.Repeat("1", 64), "ghcr.io", "bob:pw"},
		{"token for ghcr.io", token, registryFlags{}, "", "ghcr.io", "ann:ghs_x"},
		{"token for nobody else", token, registryFlags{}, "reg.example/a/b", "reg.example", ":"},
		{"input before environment", map[string]string{"INPUT_GITHUB-TOKEN": "in", "GITHUB_TOKEN": "env"}, registryFlags{}, "", "ghcr.io", "fairlead:in"},
	} {
		k, err := c.flags.keychain(testSession(c.env), c.image)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		reg, _ := name.NewRegistry(c.ask)
		auth, err := k.Resolve(reg)
		if err != nil {
			t.Fatal(err)
		}
		got, err := auth.Authorization()
		if err != nil || got.Username+":"+got.Password != c.want {
			t.Errorf("%s: %s gets %s:%s, %v; want %s", c.name, c.ask, got.Username, got.Password, err, c.want)
		}
	}
	for _, bad := range []registryFlags{{RegistryUsername: "bob"}, {RegistryPassword: "pw"}, own, {RegistryUsername: "b", RegistryPassword: "p", RegistryHost: "a b"}} {
		if _, err := bad.keychain(testSession(nil), ""); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}

// The token reaches git for GitHub's address alone, after what is there.
func TestGitCredentials(t *testing.T) {
	env := map[string]string{"GITHUB_TOKEN": "ghs_x", "GITHUB_SERVER_URL": "https://github.example"}
	base := []string{"A=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=a.b", "GIT_CONFIG_VALUE_0=c"}
	got := testSession(env).gitEnviron(base, "https://github.example/acme/shop.git")
	for _, want := range []string{"GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_0=a.b", "GIT_CONFIG_KEY_2=http.https://github.example/.extraheader", "GIT_CONFIG_VALUE_1=",
		"GIT_CONFIG_VALUE_2=AUTHORIZATION: basic eC1hY2Nlc3MtdG9rZW46Z2hzX3g="} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if slices.Contains(got, "GIT_CONFIG_COUNT=1") {
		t.Error("the old count is still there")
	}
	for _, remote := range []string{"https://github.example.evil/acme/shop", "http://github.example/acme/shop", "git@github.example:acme/shop", "/srv/ledger.git", "https://github.example:8443/x"} {
		if got := testSession(env).gitEnviron(base, remote); !slices.Equal(got, base) {
			t.Errorf("%s: %q", remote, got)
		}
	}
}

func TestShard(t *testing.T) {
	for _, c := range []struct {
		in   string
		i, n int
	}{{"2/3", 2, 3}, {"1/[1]", 1, 1}, {"3/[1, 2, 3, 4]", 3, 4}, {"", 0, 0}, {"0/3", 0, 0}, {"4/3", 0, 0}, {"1/", 0, 0}, {"1/x", 0, 0}, {"2/[1]", 0, 0}} {
		i, n, err := shard(c.in)
		if i != c.i || n != c.n || (err == nil) != (c.n > 0) {
			t.Errorf("%q: %d of %d, %v", c.in, i, n, err)
		}
	}
}
