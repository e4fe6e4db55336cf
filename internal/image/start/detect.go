package start

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Module is a Python module of the application.
type Module struct {
	// Name is what it is imported as, "shop.wsgi"; Package says that it is one.
	Name    string
	Package bool
	// Path is the file as a person knows it; Root the folder in the image from
	// which Name is importable.
	Path string
	Root string
	Read func() ([]byte, error)
}

// kind is the interface between server and application.
type kind string

const (
	wsgi kind = "WSGI"
	asgi kind = "ASGI"
)

// servers serve the interfaces.
var servers = map[kind]string{wsgi: "gunicorn", asgi: "uvicorn"}

// framework is a class whose instances are applications.
type framework struct {
	class   string
	pkg     string // that brings it
	kind    kind
	display string
}

// frameworks are what is recognised besides Django.
func frameworks() []framework {
	return []framework{
		{"fastapi.FastAPI", "fastapi", asgi, "FastAPI"},
		{"fastapi.applications.FastAPI", "fastapi", asgi, "FastAPI"},
		{"starlette.applications.Starlette", "starlette", asgi, "Starlette"},
		{"litestar.Litestar", "litestar", asgi, "Litestar"},
		{"quart.Quart", "quart", asgi, "Quart"},
		{"falcon.asgi.App", "falcon", asgi, "Falcon"},
		{"flask.Flask", "flask", wsgi, "Flask"},
		{"flask.app.Flask", "flask", wsgi, "Flask"},
		{"apiflask.APIFlask", "apiflask", wsgi, "APIFlask"},
		{"falcon.App", "falcon", wsgi, "Falcon"},
		{"django.core.wsgi.get_wsgi_application", "django", wsgi, "Django"},
		{"django.core.asgi.get_asgi_application", "django", asgi, "Django"},
	}
}

// candidate is an application that was found.
type candidate struct {
	module  Module
	object  string // "app", or "create_app" for a factory
	factory bool
	framework
	line int
	// nested: the module is importable from Root alone.
	nested bool
}

func (c candidate) at() string { return fmt.Sprintf("%s:%d", c.module.Path, c.line) }

func (c candidate) target() string {
	if c.factory && c.kind == wsgi {
		return c.module.Name + ":" + c.object + "()"
	}
	return c.module.Name + ":" + c.object
}

// detect finds the application object by reading the source.
func detect(in Input) (Process, error) {
	s := newSurvey(in)
	if c, ok, err := s.django(); err != nil || ok {
		if err != nil {
			return Process{}, err
		}
		return serve(in, c)
	}
	best := choose(servable(in, s.applications()))
	switch len(best) {
	case 1:
		return serve(in, best[0])
	case 0:
		return Process{}, failure.New(failure.Usage, hintNoStart,
			"finding the entry point: there is no Procfile, and no application of %s is found in the source", displayed(in))
	}
	var list []string
	for _, c := range best {
		list = append(list, c.target()+" ("+c.at()+")")
	}
	slices.Sort(list)
	return Process{}, failure.New(failure.Usage, hintNoStart, "finding the entry point: there are several applications, and nothing says which is meant: %s", strings.Join(list, ", "))
}

// displayed are the frameworks that the lock has.
func displayed(in Input) string {
	var names []string
	for _, f := range frameworks() {
		if in.Locked(f.pkg) && !slices.Contains(names, f.display) {
			names = append(names, f.display)
		}
	}
	if len(names) == 0 {
		return "a framework that is known here (Django, FastAPI, Starlette, Litestar, Quart, Flask, Falcon)"
	}
	return strings.Join(names, " or ")
}

// serve is the command of the server for an application.
func serve(in Input, c candidate) (Process, error) {
	server := servers[c.kind]
	if !in.Locked(server) {
		return Process{}, failure.New(failure.Usage, "add "+server+" to the project's dependencies and lock again, or say how it starts: --entrypoint, or web in a Procfile",
			"finding the entry point: %s is a %s application (%s), and the lock has no %s to serve it", c.at(), c.display, c.kind, server)
	}
	var words []string
	switch {
	case c.kind == wsgi:
		// gunicorn binds 0.0.0.0:$PORT by itself, and reads gunicorn.conf.py.
		words = []string{"gunicorn"}
		if c.nested {
			words = append(words, "--chdir", c.module.Root)
		}
		target := c.target()
		if c.factory {
			target = "'" + target + "'"
		}
		words = append(words, target)
	default:
		words = []string{"uvicorn", "--host", "0.0.0.0", "--port", "${PORT:-8000}"}
		if c.nested {
			words = append(words, "--app-dir", c.module.Root)
		}
		if c.factory {
			words = append(words, "--factory")
		}
		words = append(words, c.target())
	}
	cmd, err := Parse(strings.Join(words, " "), c.at())
	return Process{Web, cmd, c.at()}, err
}

// servable leaves out what the lock has no server for, where something else has
// one. Django's two interfaces are one application: WSGI is its default.
func servable(in Input, all []candidate) []candidate {
	has := func(c candidate) bool { return in.Locked(servers[c.kind]) }
	if slices.ContainsFunc(all, has) {
		all = slices.DeleteFunc(all, func(c candidate) bool { return !has(c) })
	}
	django := func(k kind) func(candidate) bool {
		return func(c candidate) bool { return c.pkg == "django" && c.kind == k }
	}
	if slices.ContainsFunc(all, django(wsgi)) {
		all = slices.DeleteFunc(all, django(asgi))
	}
	return all
}

// choose keeps the most likely of the candidates: objects before factories,
// usual names before others, modules near the top before those below.
func choose(all []candidate) []candidate {
	var best []candidate
	least := [3]int{}
	for _, c := range all {
		r := rank(c)
		switch {
		case len(best) == 0 || slices.Compare(r[:], least[:]) < 0:
			best, least = []candidate{c}, r
		case r == least:
			best = append(best, c)
		}
	}
	return best
}

// entryModules are names of modules that hold an entry point, by convention.
var entryModules = []string{"asgi", "wsgi", "main", "app", "application", "server", "api", "__main__"}

func rank(c candidate) [3]int {
	object := slices.Index([]string{"app", "application", "api", "create_app", "make_app"}, c.object)
	if object < 0 {
		object = 9
	}
	last := c.module.Name[strings.LastIndexByte(c.module.Name, '.')+1:]
	module := 1
	if slices.Contains(entryModules, last) || c.module.Package {
		module = 0
	}
	if last == "wsgi" || last == "asgi" {
		module = -1
	}
	if c.factory {
		object += 10
	}
	return [3]int{min(object, 10), module, strings.Count(c.module.Name, ".")}
}

// aside are parts of module names whose applications are none to serve.
func aside(m Module) bool {
	for part := range strings.SplitSeq(m.Name, ".") {
		switch part {
		case "tests", "test", "conftest", "migrations", "examples", "docs", "setup", "noxfile":
			return true
		}
		if strings.HasPrefix(part, "test_") {
			return true
		}
	}
	return path.Base(m.Path) == "setup.py"
}
