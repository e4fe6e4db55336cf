package image

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func folderOf(t *testing.T, files map[string]string) *tree {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := openTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.close)
	return tr
}

func TestWhatStaysOut(t *testing.T) {
	project := []string{
		"app.py", "README.md", "docs/a.md", "docs/keep.md", "docs/b/c.txt", "build/x", "a/build/y", ".git/HEAD", "sub/.git/HEAD",
		"env/pyvenv.cfg", "env/lib/x.py", ".venv/x", "a/__pycache__/x.txt", "x.pyc", ".env", ".env.prod", "node_modules/m/i.js", "a/logs/1.log", "logs/2.log",
	}
	tests := []struct {
		name, dockerignore, gitignore, nested string
		want                                  string
	}{
		{"no ignore file", "", "", "", "README.md a/build/y a/logs/1.log app.py build/x docs/a.md docs/b/c.txt docs/keep.md logs/2.log"},
		{"dockerignore", "*.md\n!README.md\nbuild\n**/logs\n", "", "", ".dockerignore .env .env.prod README.md a/build/y app.py docs/a.md docs/b/c.txt docs/keep.md node_modules/m/i.js"},
		{"dockerignore, all but some", "# only these\n*\n!app.py\n!docs/keep.md\n", "", "", "app.py docs/keep.md"},
		{"dockerignore wins over gitignore", "docs\n", "*.py\n", "", ".dockerignore .env .env.prod .gitignore README.md a/build/y a/logs/1.log app.py build/x logs/2.log node_modules/m/i.js"},
		{"gitignore", "", "*.md\n!keep.md\n/build\nlogs/\n", "", ".gitignore a/build/y app.py docs/b/c.txt docs/keep.md"},
		{"nested gitignore", "", "logs\n", "build\n", ".gitignore README.md a/.gitignore app.py build/x docs/a.md docs/b/c.txt docs/keep.md"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{}
			for _, p := range project {
				files[p] = p
			}
			for name, content := range map[string]string{".dockerignore": tt.dockerignore, ".gitignore": tt.gitignore, "a/.gitignore": tt.nested} {
				if content != "" {
					files[name] = content
				}
			}
			tr := folderOf(t, files)
			if err := tr.scan(); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(slices.Sorted(maps.Keys(tr.files)), " ")
			if got != tt.want {
				t.Errorf("the image gets\n  %s\nwant\n  %s", got, tt.want)
			}
		})
	}
}

func TestLinks(t *testing.T) {
	tr := folderOf(t, map[string]string{"a/b.txt": "x"})
	dir := tr.root.Name()
	for from, to := range map[string]string{"a/inside": "b.txt", "a/up": "../a/b.txt", "dangling": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.scan(); err != nil {
		t.Fatal(err)
	}
	if len(tr.links) != 3 || tr.links["a/up"] != "../a/b.txt" {
		t.Errorf("links %v", tr.links)
	}
	for _, to := range []string{"../outside", "/etc/passwd", "a/../../x", ".."} {
		bad := folderOf(t, nil)
		if err := os.Symlink(to, filepath.Join(bad.root.Name(), "evil")); err != nil {
			t.Fatal(err)
		}
		if err := bad.scan(); err == nil || !strings.Contains(err.Error(), `"evil"`) {
			t.Errorf("a link to %q: %v", to, err)
		}
	}
}

func TestSlug(t *testing.T) {
	for in, want := range map[string]string{"My Shop!": "my-shop", "..": "", "a__b": "a-b", "é": ""} {
		if got := slug(in); got != want {
			t.Errorf("slug(%q) = %q; want %q", in, got, want)
		}
	}
}

func TestRegistryOf(t *testing.T) {
	for in, want := range map[string]string{"ghcr.example/a/b": "ghcr.example", "localhost/a": "localhost", "127.0.0.1:5000/a": "127.0.0.1:5000", "acme/shop": "", "shop": ""} {
		if got := registryOf(in); got != want {
			t.Errorf("registryOf(%q) = %q; want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"r:5000/a/b": "r:5000/a/b", "r:5000/a/b:1": "r:5000/a/b", "a:1": "a"} {
		if got := untagged(in); got != want {
			t.Errorf("untagged(%q) = %q; want %q", in, got, want)
		}
	}
}
