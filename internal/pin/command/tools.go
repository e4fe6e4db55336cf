package command

import (
	"regexp"
	"slices"
	"strings"
)

var (
	pipName    = regexp.MustCompile(`^pip[0-9.]*$`)
	pythonName = regexp.MustCompile(`^(python|pypy)[0-9.]*$`)
)

// programs are parts of the names of all programs that call and pipe know.
func programs() []string {
	return []string{"pip", "python", "pypy", "uv", "poetry", "pdm", "docker", "podman", "nerdctl", "curl", "wget", "gh"}
}

// call reads one command.
func (r *reader) call(w []word) {
	name := base(w[0].text)
	rest := w[1:]
	switch {
	case pipName.MatchString(name):
		r.pip("pip", rest)
	case pythonName.MatchString(name):
		if i := slices.IndexFunc(rest, func(x word) bool { return x.text == "-m" }); i >= 0 && i+1 < len(rest) {
			switch rest[i+1].text {
			case "pip":
				r.pip("pip", rest[i+2:])
			case "pipx":
				r.pipx(rest[i+2:])
			}
		}
	case name == "uv":
		r.uv(rest)
	case name == "uvx":
		r.run("uvx", rest, "--from", "--with", "-w")
	case name == "pipx":
		r.pipx(rest)
	case name == "poetry", name == "pdm", name == "pipenv":
		if len(rest) > 0 && rest[0].text == "run" {
			r.within(rest[1:])
			return
		}
		r.project(name, w)
	case name == "hatch", name == "rye", name == "conda", name == "mamba", name == "micromamba":
		if len(rest) > 0 && rest[0].text == "run" {
			r.within(rest[1:], "-n", "--name", "-p", "--prefix", "--cwd")
		}
	case shells.MatchString(name):
		r.substitute(rest)
		r.shell(rest)
	case name == "eval", name == "source", name == ".":
		r.substitute(rest)
	case name == "docker-compose", name == "podman-compose":
		r.compose(name, rest)
	case name == "gh":
		r.extension(rest)
	case name == "docker", name == "podman", name == "nerdctl":
		r.docker(name, rest)
	}
}

// verb skips options before a sub-command.
func verb(w []word) (string, []word) {
	for i, x := range w {
		if !strings.HasPrefix(x.text, "-") {
			return x.text, w[i+1:]
		}
	}
	return "", nil
}

// pipValues are pip's and uv's options that take the next word as their value.
func pipValues() []string {
	return []string{"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "-t", "--target", "-d", "--dest", "--python", "-p", "--prefix", "--root", "--platform", "--python-version",
		"--implementation", "--abi", "--cache-dir", "--timeout", "--retries", "--proxy", "--trusted-host", "--no-binary", "--only-binary", "--progress-bar", "--log", "--src", "--report",
		"--upgrade-strategy", "-C", "--config-settings", "--index", "--default-index", "--python-platform", "--extra", "--group", "--index-strategy", "--keyring-provider", "--cert", "--client-cert"}
}

// pip reads "install", "download" and "wheel", pip's own and uv's.
func (r *reader) pip(tool string, w []word) {
	v, rest := verb(w)
	if v != "install" && v != "download" && v != "wheel" && v != "sync" {
		return
	}
	first := len(r.uses)
	all := Use{Tool: tool}
	for i := 0; i < len(rest); i++ {
		x := rest[i]
		name, value, joined := strings.Cut(x.text, "=")
		next := func() (word, bool) {
			if joined && strings.HasPrefix(name, "--") {
				return word{value, Span{x.span.Start + len(name) + 1, x.span.End}, x.dynamic}, true
			}
			if i+1 < len(rest) {
				i++
				return rest[i], true
			}
			return word{}, false
		}
		switch {
		case x.text == "-r" || name == "--requirement" || name == "--requirements":
			r.file(tool, File, next)
		case strings.HasPrefix(x.text, "-r") && len(x.text) > 2 && !strings.HasPrefix(x.text, "--"):
			r.use(Use{Kind: File, Tool: tool, Text: x.text[2:], Span: Span{x.span.Start + 2, x.span.End}, Dynamic: x.dynamic})
		case x.text == "-c" || name == "--constraint" || name == "--constraints":
			r.file(tool, Constraints, next)
		case name == "--requirements-from-script":
			r.file(tool, Inline, next)
		case x.text == "-e" || name == "--editable":
			if n, ok := next(); ok {
				r.use(argument(tool, n))
			}
		case x.text == "--require-hashes":
			all.RequireHashes = true
		case x.text == "--no-deps":
			all.NoDeps = true
		case x.text == "-U" || x.text == "--upgrade":
			all.Upgrade = true
		case name == "--hash":
			if _, ok := next(); ok && len(r.uses) > first {
				r.uses[len(r.uses)-1].Hashed = true
			}
		case slices.Contains(pipValues(), name):
			if !joined {
				i++
			}
		case strings.HasPrefix(x.text, "-"):
		case v == "sync":
			r.use(Use{Kind: File, Tool: tool, Text: x.text, Span: x.span, Dynamic: x.dynamic})
		default:
			r.use(argument(tool, x))
		}
	}
	for i := first; i < len(r.uses); i++ {
		u := &r.uses[i]
		u.RequireHashes, u.NoDeps, u.Upgrade = all.RequireHashes, all.NoDeps, all.Upgrade
	}
}

func (r *reader) use(u Use) { r.uses = append(r.uses, u) }

func (r *reader) file(tool string, kind Kind, next func() (word, bool)) {
	if n, ok := next(); ok {
		r.use(Use{Kind: kind, Tool: tool, Text: n.text, Span: n.span, Dynamic: n.dynamic})
	}
}

// argument is what pip is asked to install: a requirement, or something local.
func argument(tool string, x word) Use {
	u := Use{Kind: Requirement, Tool: tool, Text: x.text, Span: x.span, Dynamic: x.dynamic}
	t := x.text
	plain, _, _ := strings.Cut(t, "[")
	if !x.dynamic && !strings.Contains(t, "://") && (t == "." || strings.HasPrefix(t, "./") || strings.HasPrefix(t, "../") || strings.HasPrefix(t, "/") || strings.HasPrefix(t, ".[") ||
		strings.HasSuffix(plain, ".whl") || strings.HasSuffix(plain, ".tar.gz") || strings.HasSuffix(plain, "/")) {
		u.Kind = Local
	}
	return u
}

func (r *reader) uv(w []word) {
	v, rest := verb(w)
	switch v {
	case "pip":
		r.pip("uv pip", rest)
	case "sync", "run", "export":
		words := texts(rest)
		locked := slices.ContainsFunc(words, func(s string) bool { return s == "--locked" || s == "--frozen" })
		isolated := slices.Contains(words, "--no-project") || slices.Contains(words, "--script")
		if len(w) > 0 && !isolated {
			r.use(Use{Kind: Project, Tool: "uv", Text: "uv " + v, Span: w[0].span, Locked: locked})
		}
		r.with("uv "+v, rest)
		if v == "run" {
			r.inline("uv run", rest)
			r.within(rest, uvValues()...)
		}
	case "tool":
		sub, more := verb(rest)
		if sub == "install" || sub == "run" {
			r.run("uv tool "+sub, more, "--from", "--with", "-w")
		}
	}
}

// inline finds the script that a command runs, the first plain word.
func (r *reader) inline(tool string, w []word) {
	script := false
	for i := 0; i < len(w); i++ {
		x := w[i]
		switch {
		case x.text == "--script" || x.text == "-s":
			script = true
		case slices.Contains(uvValues(), x.text):
			i++
		case strings.HasPrefix(x.text, "-"):
		default:
			if script || strings.HasSuffix(x.text, ".py") {
				r.use(Use{Kind: Inline, Tool: tool, Text: x.text, Span: x.span, Dynamic: x.dynamic})
			}
			return
		}
	}
}

// uvValues are the options of uv run, uvx and uv tool that take the next word.
func uvValues() []string {
	return append(pipValues(), "--with", "-w", "--with-requirements", "--with-editable", "--with-executables-from", "--package", "--env-file", "--directory", "--project", "--no-group", "--only-group", "--no-extra")
}

// split is an option's value, joined to it or the next word, and how many words
// that is.
func split(w []word, i int) (name string, value word, n int) {
	x := w[i]
	name, text, joined := strings.Cut(x.text, "=")
	switch {
	case joined && !x.dynamic && strings.HasPrefix(name, "--"):
		start := min(x.span.Start+len(name)+1, x.span.End-1)
		return name, word{text, Span{max(start, x.span.Start), x.span.End}, false}, 1
	case i+1 < len(w):
		return x.text, w[i+1], 2
	}
	return x.text, word{}, 1
}

// with finds --with REQUIREMENT and --with-requirements FILE, before the command
// that is run.
func (r *reader) with(tool string, w []word) {
	for i := 0; i < len(w) && w[i].text != "--" && strings.HasPrefix(w[i].text, "-"); {
		name, value, n := split(w, i)
		switch {
		case value.text == "":
		case name == "--with" || name == "-w":
			r.use(Use{Kind: Requirement, Tool: tool, Text: value.text, Span: value.span, Dynamic: value.dynamic})
		case name == "--with-requirements":
			r.use(Use{Kind: File, Tool: tool, Text: value.text, Span: value.span, Dynamic: value.dynamic})
		}
		if n == 2 && !slices.Contains(uvValues(), name) {
			n = 1
		}
		i += n
	}
}

// run reads a program that installs the tool it runs: the first plain word, or
// what options name instead.
func (r *reader) run(tool string, w []word, from ...string) {
	named := false
	for i := 0; i < len(w); i++ {
		x := w[i]
		name, value, n := split(w, i)
		switch {
		case slices.Contains(from, name) && value.text != "":
			i += n - 1
			named = named || name == "--from" || name == "--spec"
			r.use(Use{Kind: Requirement, Tool: tool, Text: value.text, Span: value.span, Dynamic: value.dynamic})
		case name == "--with-requirements" && value.text != "":
			i += n - 1
			r.use(Use{Kind: File, Tool: tool, Text: value.text, Span: value.span, Dynamic: value.dynamic})
		case slices.Contains(uvValues(), x.text):
			i++
		case strings.HasPrefix(x.text, "-"):
		default:
			if !named {
				r.use(Use{Kind: Requirement, Tool: tool, Text: atVersion(x.text), Span: x.span, Dynamic: x.dynamic})
			}
			return // the rest are the tool's own arguments
		}
	}
}

// atVersion turns uvx's ruff@0.6.0 into a requirement.
func atVersion(s string) string {
	name, v, ok := strings.Cut(s, "@")
	if !ok || strings.Contains(s, "://") || name == "" || v == "latest" || strings.ContainsAny(v, "/ ") {
		return strings.TrimSuffix(s, "@latest")
	}
	return name + "==" + v
}

// pipxValues are pipx's options that take the next word as their value.
func pipxValues() []string {
	return []string{"--python", "--suffix", "--pip-args", "--index-url", "-i", "--backend", "--spec"}
}

func (r *reader) pipx(w []word) {
	v, rest := verb(w)
	switch v {
	case "run":
		n := len(r.uses)
		if r.inline("pipx", rest); len(r.uses) > n {
			return
		}
		r.run("pipx", rest, "--spec")
	case "install", "inject", "install-all":
		into := v == "inject" // the first word is what it goes into
		for i := 0; i < len(rest); i++ {
			x := rest[i]
			name, value, n := split(rest, i)
			switch {
			case name == "--preinstall" && value.text != "":
				i += n - 1
				r.use(argument("pipx", value))
			case slices.Contains(pipxValues(), x.text):
				i++
			case strings.HasPrefix(x.text, "-"):
			case into:
				into = false
			default:
				r.use(argument("pipx", x))
			}
		}
	}
}

// project reads the tools that install from a lock of their own.
func (r *reader) project(name string, w []word) {
	v, rest := verb(w[1:])
	words := texts(rest)
	has := func(options ...string) bool {
		return slices.ContainsFunc(words, func(s string) bool { return slices.Contains(options, s) })
	}
	if name == "poetry" && v == "self" && len(rest) > 0 && rest[0].text == "add" {
		for _, x := range rest[1:] {
			if !strings.HasPrefix(x.text, "-") {
				r.use(argument("poetry self", x))
			}
		}
		return
	}
	u := Use{Kind: Project, Tool: name, Text: name + " " + v, Span: w[0].span}
	switch name + " " + v {
	case "poetry install", "poetry sync", "pdm sync", "pipenv sync":
		u.Locked = true
	case "pdm install":
		u.Locked = has("--frozen-lockfile", "--check", "--no-lock")
	case "pipenv install":
		u.Locked = has("--deploy", "--ignore-pipfile")
	case "poetry update", "pdm update", "pipenv update", "pipenv upgrade":
	default:
		return
	}
	r.use(u)
}

// dockerValues are docker run's options that take the next word.
func dockerValues() []string {
	return []string{"-v", "--volume", "-e", "--env", "--env-file", "-p", "--publish", "--name", "-w", "--workdir", "-u", "--user", "--network", "--net", "--entrypoint", "--mount", "-l", "--label",
		"--add-host", "--platform", "-m", "--memory", "--cpus", "--ulimit", "--tmpfs", "--gpus", "--device", "--restart", "--hostname", "-h", "--cap-add", "--cap-drop", "--security-opt", "--pull", "--shm-size", "--ipc", "--pid"}
}

func (r *reader) docker(tool string, w []word) {
	v, rest := verb(w)
	if v == "container" || v == "image" {
		v, rest = verb(rest)
	}
	switch v {
	case "run", "pull", "create":
	case "build":
		r.build(tool, rest)
		return
	case "compose":
		r.compose(tool+" compose", rest)
		return
	case "buildx", "builder":
		if sub, more := verb(rest); sub == "build" {
			r.build(tool, more)
		}
		return
	default:
		return
	}
	for i := 0; i < len(rest); i++ {
		x := rest[i]
		switch {
		case slices.Contains(dockerValues(), x.text):
			i++
		case strings.HasPrefix(x.text, "-"):
		default:
			r.use(Use{Kind: Image, Tool: tool + " " + v, Text: x.text, Span: x.span, Dynamic: x.dynamic})
			return
		}
	}
}

// build finds the Dockerfile of docker build -f, compose the files of docker
// compose -f.
func (r *reader) build(tool string, w []word)   { r.files(Dockerfile, tool+" build", w) }
func (r *reader) compose(tool string, w []word) { r.files(Compose, tool, w) }

func (r *reader) files(kind Kind, tool string, w []word) {
	for i, x := range w {
		name, value, joined := strings.Cut(x.text, "=")
		switch {
		case name == "--file" && joined:
			r.use(Use{Kind: kind, Tool: tool, Text: value, Span: Span{x.span.Start + len(name) + 1, x.span.End}, Dynamic: x.dynamic})
		case (x.text == "-f" || x.text == "--file") && i+1 < len(w):
			r.use(Use{Kind: kind, Tool: tool, Text: w[i+1].text, Span: w[i+1].span, Dynamic: w[i+1].dynamic})
		}
	}
}

// extension reads gh extension install REPOSITORY [--pin REF].
func (r *reader) extension(w []word) {
	v, rest := verb(w)
	if v != "extension" && v != "extensions" && v != "ext" {
		return
	}
	sub, rest := verb(rest)
	if sub != "install" {
		return
	}
	u := Use{Kind: Extension, Tool: "gh extension"}
	for i := 0; i < len(rest); i++ {
		x := rest[i]
		value, joined := strings.CutPrefix(x.text, "--pin=")
		switch {
		case joined:
			u.Pin = value
		case x.text == "--pin" && i+1 < len(rest):
			i++
			u.Pin = rest[i].text
		case strings.HasPrefix(x.text, "-"):
		case u.Text == "":
			u.Text, u.Span, u.Dynamic = x.text, x.span, x.dynamic
		}
	}
	switch {
	case u.Text == ".":
		u.Kind = Local
		fallthrough
	case u.Text != "":
		r.use(u)
	}
}

func texts(w []word) []string {
	out := make([]string, len(w))
	for i, x := range w {
		out[i] = x.text
	}
	return out
}
