package cli

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fairlead-ci/fairlead/internal/engine"
)

func TestMain(m *testing.M) {
	if engine.InitMain(os.Args) {
		return
	}
	testscript.Main(m, map[string]func(){"fairlead": func() {
		os.Exit(Run(context.Background(), Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}))
	}})
}

var update = flag.Bool("update", false, "rewrite what scripts compare")

// TestScripts runs the scripts beside this file; -update rewrites what they compare.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Cmds:          scriptCommands(),
		Setup: func(e *testscript.Env) error {
			root, err := filepath.Abs("../..")
			if err != nil {
				return err
			}
			e.Setenv("REPO", root)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(e.WorkDir, "gitconfig"))
			return nil
		},
	})
}

func parser(t *testing.T, getenv func(string) string) (*kong.Kong, *root, *resolver) {
	t.Helper()
	var g root
	r := &resolver{getenv: getenv}
	k, err := kong.New(&g, kong.Name("fairlead"), kong.Vars{"version": "x"}, kong.Exit(func(int) {}), kong.Resolvers(r), kong.Writers(&bytes.Buffer{}, &bytes.Buffer{}))
	if err != nil {
		t.Fatal(err)
	}
	return k, &g, r
}

func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile("fairlead.toml", []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("[build-image]\nbase = \"file\"\nplatforms = [\"linux/arm64\", \"linux/amd64\"]\npush = true\nport = 9000\n")
	env := map[string]string{"INPUT_BASE": "input", "INPUT_LOCK": "", "INPUT_TAGS": "a\nb, c\n"}
	k, g, _ := parser(t, func(n string) string { return env[n] })
	if _, err := k.Parse([]string{"build-image", "--port", "9001"}); err != nil {
		t.Fatal(err)
	}
	b := g.BuildImage
	if b.Port != 9001 || b.Base != "input" || b.Lock != "requirements.txt" || !b.Push {
		t.Errorf("flag, input, default, file: %d %q %q %v", b.Port, b.Base, b.Lock, b.Push)
	}
	if strings.Join(b.Tags, "|") != "a|b|c" || strings.Join(b.Platforms, "|") != "linux/arm64|linux/amd64" {
		t.Errorf("lists: %q %q", b.Tags, b.Platforms)
	}
	delete(env, "INPUT_BASE")
	k, g, _ = parser(t, func(n string) string { return env[n] })
	if _, err := k.Parse([]string{"build-image"}); err != nil || g.BuildImage.Base != "file" {
		t.Errorf("file: %q, %v", g.BuildImage.Base, err)
	}
	for text, want := range map[string]string{
		"[build-image]\nbsae = \"x\"\n":          `fairlead.toml:2: unknown key "bsae" for build-image`,
		"[promote]\nx = 1\n":                     `fairlead.toml:2: unknown key "x" for promote`,
		"[bild]\n":                               `fairlead.toml:1: unknown section "bild"`,
		"[build-image]\n\nport = \"many\"\n":     `fairlead.toml:3: port: `,
		"[build-image]\nproject = \"zip\"\n":     `fairlead.toml:2: project: "zip" is not one of auto, package, source`,
		"[build-image]\nbase = [\"a\", \"b\"]\n": `fairlead.toml:2: base: takes one value, not a list`,
		"[build-image]\nbase = 2020-01-01\n":     `fairlead.toml:2: base: takes a string`,
	} {
		write(text)
		k, _, _ := parser(t, func(string) string { return "" })
		if _, err := k.Parse([]string{"build-image"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}
