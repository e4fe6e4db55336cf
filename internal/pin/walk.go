package pin

import (
	"errors"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

// fileKind says how a file is read.
type fileKind int

const (
	kindNone fileKind = iota
	kindRequirements
	kindConstraints
	kindManifest
	kindDockerfile
	kindTemplate
	kindWorkflow
	kindAction
	kindLock
	kindActionsLock
	kindCompose
	kindProject
	kindDevcontainer
)

// source is a file to check.
type source struct {
	path string
	kind fileKind
}

// DefaultIgnore lists the folders that hold what others wrote or tools made.
func DefaultIgnore() []string {
	return []string{".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", "node_modules", "__pycache__", "site-packages", "vendor", "third_party"}
}

// kindOf tells by its name how a file is read.
func kindOf(name string) fileKind {
	base := path.Base(name)
	lower := strings.ToLower(base)
	ext := path.Ext(lower)
	parent := path.Base(path.Dir(name))
	switch {
	case (ext == ".yml" || ext == ".yaml") && (path.Dir(name) == ".github/workflows" || strings.HasSuffix(path.Dir(name), "/.github/workflows")):
		return kindWorkflow
	case path.Clean(name) == actionsLockPath:
		return kindActionsLock
	case strings.Contains(base, "compose") && composeName.MatchString(base):
		return kindCompose
	case lock.FormatOf(base) != "" && lock.FormatOf(base) != lock.Requirements:
		return kindLock
	case base == "pyproject.toml" || base == "setup.cfg" || base == "setup.py":
		return kindProject
	case base == ".devcontainer.json", base == "devcontainer.json" && (parent == ".devcontainer" || path.Base(path.Dir(path.Dir(name))) == ".devcontainer"):
		return kindDevcontainer
	case base == "action.yml" || base == "action.yaml":
		return kindAction
	case ext == ".in" && (strings.Contains(lower, "requirements") || strings.Contains(lower, "constraints") || parent == "requirements"):
		return kindManifest
	case ext == ".txt" && strings.Contains(lower, "constraints"):
		return kindConstraints
	case ext == ".txt" && (strings.Contains(lower, "requirements") || parent == "requirements"):
		return kindRequirements
	}
	return dockerKind(base, ext)
}

// dockerKind knows Dockerfile, Dockerfile.prod, prod.Dockerfile, Containerfile.
func dockerKind(base, ext string) fileKind {
	stem := ""
	for _, name := range []string{"Dockerfile", "Containerfile"} {
		rest, ok := strings.CutPrefix(base, name)
		if ok && (rest == "" || strings.ContainsAny(rest[:1], ".-_")) || ext == "."+strings.ToLower(name) {
			stem = name
		}
	}
	if stem == "" {
		return kindNone
	}
	switch ext {
	case ".dockerignore", ".md", ".rst", ".go", ".py", ".js", ".ts", ".java", ".rb", ".rs", ".sh", ".json", ".yml", ".yaml", ".orig", ".rej":
		return kindNone
	case ".j2", ".jinja", ".jinja2", ".tmpl", ".tpl", ".template", ".erb", ".mustache", ".in", ".m4":
		return kindTemplate
	}
	return kindDockerfile
}

// whole says that all files of the folder are checked: what is not among them is
// not there.
func (c *checker) whole() bool {
	return !c.cfg.Partial && !slices.ContainsFunc(c.cfg.Paths, func(p string) bool { return path.Clean(p) != "." })
}

// choose lists the files to check, sorted.
func (c *checker) choose() ([]source, error) {
	c.paths = map[string]bool{}
	var out []source
	add := func(name string, kind fileKind) {
		if kind == kindNone || c.paths[name] {
			return
		}
		c.paths[name] = true
		c.poetry = c.poetry || path.Base(name) == "poetry.lock"
		out = append(out, source{name, kind})
	}
	roots := c.cfg.Paths
	if len(roots) == 0 {
		roots = []string{"."}
	}
	for _, p := range roots {
		root := path.Clean(p)
		if !fs.ValidPath(root) {
			return nil, failure.New(failure.Usage, "give paths inside the checked folder", "%q leads out of the checked folder", p)
		}
		info, err := fs.Stat(c.fsys, root)
		if err != nil {
			return nil, failure.New(failure.Usage, "", "reading %q: %w", p, reason(err))
		}
		if !info.IsDir() {
			kind := kindOf(root)
			if kind == kindNone {
				kind = c.guess(root)
			}
			if kind == kindNone {
				return nil, failure.New(failure.Usage, "give a requirements file, a Dockerfile, a workflow or an action", "%q is no file that pin-check reads", p)
			}
			add(root, kind)
			continue
		}
		if err := c.folder(root, add); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b source) int { return strings.Compare(a.path, b.path) })
	if n := len(out); n > c.cfg.MaxFiles {
		c.say(fileLimit(), place{path: out[c.cfg.MaxFiles].path}, limitComplaint(n, c.cfg.MaxFiles))
		out = out[:c.cfg.MaxFiles]
	}
	return out, nil
}

// guess tells what a file that was named is, where its name does not.
func (c *checker) guess(name string) fileKind {
	lower := strings.ToLower(path.Base(name))
	switch {
	case strings.Contains(lower, "dockerfile"), strings.Contains(lower, "containerfile"):
		return kindDockerfile
	case strings.HasSuffix(lower, ".txt"):
		return kindRequirements
	case strings.HasSuffix(lower, ".in"):
		return kindManifest
	case strings.HasSuffix(lower, ".yml"), strings.HasSuffix(lower, ".yaml"):
		data, err := fs.ReadFile(c.fsys, name)
		if err == nil && strings.Contains("\n"+string(data), "\nruns:") {
			return kindAction
		}
		return kindWorkflow
	}
	return kindNone
}

// folder adds what stands below root.
func (c *checker) folder(root string, add func(string, fileKind)) error {
	if c.cfg.Files != nil {
		for _, f := range c.cfg.Files {
			f = path.Clean(f)
			if kindOf(f) != kindNone && fs.ValidPath(f) && (root == "." || f == root || strings.HasPrefix(f, root+"/")) && !c.ignored(f, root) {
				c.consider(f, add)
			}
		}
		return nil
	}
	w := walker{c: c, root: root, add: add}
	w.g.SetLimit(runtime.GOMAXPROCS(0))
	w.walk(root)
	return w.g.Wait()
}

// walker looks through folders, several at once.
type walker struct {
	c    *checker
	root string
	g    errgroup.Group
	mu   sync.Mutex // of c and add
	add  func(string, fileKind)
}

func (w *walker) walk(dir string) {
	entries, err := fs.ReadDir(w.c.fsys, dir)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.c.say(fileUnreadable(), place{path: dir}, unreadable(err))
		return
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		kind := kindOf(name)
		if !e.IsDir() && kind == kindNone || w.c.ignored(name, w.root) {
			continue
		}
		if e.IsDir() {
			below := func() error {
				w.walk(name)
				return nil
			}
			if !w.g.TryGo(below) {
				w.walk(name)
			}
			continue
		}
		w.mu.Lock()
		if e.Type().IsRegular() {
			w.add(name, kind)
		} else {
			w.c.consider(name, w.add)
		}
		w.mu.Unlock()
	}
}

// consider adds a file that is of a kind and of this tree.
func (c *checker) consider(name string, add func(string, fileKind)) {
	kind := kindOf(name)
	if kind == kindNone {
		return
	}
	info, err := fs.Stat(c.fsys, name)
	switch {
	case errors.Is(err, errLeaves):
		c.say(fileSymlink(), place{path: name}, complaint{
			message: "a symbolic link that leads out of the checked folder; it is not followed",
			hint:    "put the file itself into the repository",
		})
	case errors.Is(err, fs.ErrNotExist):
		// Git lists a file that is deleted in the work tree; a link leads nowhere.
	case err != nil:
		c.say(fileUnreadable(), place{path: name}, unreadable(err))
	case info.Mode().IsRegular():
		add(name, kind)
	}
}

// ignored matches a path below root, and each folder on it, against the ignores:
// a glob without a slash is about names, one with a slash about paths.
func (c *checker) ignored(name, root string) bool {
	rel := name
	if root != "." {
		rel = strings.TrimPrefix(strings.TrimPrefix(name, root), "/")
	}
	for part := range strings.SplitSeq(rel, "/") {
		if slices.Contains(DefaultIgnore(), part) {
			return true
		}
	}
	for _, glob := range c.cfg.Ignore {
		if ignores(strings.TrimPrefix(strings.TrimSuffix(glob, "/"), "./"), rel, name) {
			return true
		}
	}
	return false
}

func ignores(glob, rel, name string) bool {
	if !strings.Contains(glob, "/") {
		for _, part := range strings.Split(rel, "/") {
			if ok, err := path.Match(glob, part); ok && err == nil {
				return true
			}
		}
		return false
	}
	return matchPath(strings.Split(strings.TrimPrefix(glob, "/"), "/"), strings.Split(name, "/"))
}

// matchPath matches a glob with ** against a path or a folder above it.
func matchPath(glob, parts []string) bool {
	if len(glob) == 0 {
		return true
	}
	if glob[0] == "**" {
		for i := range len(parts) + 1 {
			if matchPath(glob[1:], parts[i:]) && (len(glob) > 1 || i < len(parts)) {
				return true
			}
		}
		return false
	}
	if len(parts) == 0 {
		return false
	}
	ok, err := path.Match(glob[0], parts[0])
	return ok && err == nil && matchPath(glob[1:], parts[1:])
}
