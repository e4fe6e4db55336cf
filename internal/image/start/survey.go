package start

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/source"
)

// survey is a project's source as far as it says how it is served.
type survey struct {
	in      Input
	classes map[string]framework
	raw     map[string][]byte
	read    map[string]source.Module
	byName  map[string]Module
	// factories are functions that return an application, by their full names.
	factories map[string]candidate
}

// maxModules bounds how many modules are looked at.
const maxModules = 20000

func newSurvey(in Input) *survey {
	s := &survey{in: in, classes: map[string]framework{}, raw: map[string][]byte{}, read: map[string]source.Module{}, byName: map[string]Module{}, factories: map[string]candidate{}}
	for _, f := range frameworks() {
		if in.Locked(f.pkg) {
			s.classes[f.class] = f
		}
	}
	for i, m := range in.Modules {
		if i < maxModules && !aside(m) {
			s.byName[m.Name] = m
		}
	}
	return s
}

// with are the modules whose text holds one of the words, in order. A file that
// cannot be read holds nothing.
func (s *survey) with(words ...string) []Module {
	var out []Module
	for _, m := range s.in.Modules {
		if _, ok := s.byName[m.Name]; !ok {
			continue
		}
		raw, ok := s.raw[m.Name]
		if !ok {
			raw, _ = m.Read()
			s.raw[m.Name] = raw
		}
		if slices.ContainsFunc(words, func(w string) bool { return bytes.Contains(raw, []byte(w)) }) {
			out = append(out, m)
		}
	}
	return out
}

func (s *survey) module(m Module) source.Module {
	got, ok := s.read[m.Name]
	if !ok {
		raw, seen := s.raw[m.Name]
		if !seen {
			raw, _ = m.Read()
		}
		got = source.Read(raw)
		s.read[m.Name] = got
	}
	return got
}

// full is what a name in a module stands for, relative imports and names that
// modules pass on included.
func (s *survey) full(m Module, name string) string {
	for range 5 {
		r := s.module(m).Resolve(name)
		switch {
		case strings.HasPrefix(r, "."):
			r = absolute(m, r)
		case r == name && !strings.Contains(name, "."):
			return m.Name + "." + name
		}
		i := strings.LastIndexByte(r, '.')
		next, ok := Module{}, false
		if i > 0 {
			next, ok = s.byName[r[:i]]
		}
		if _, known := s.factories[r]; known || !ok || next.Name == m.Name {
			return r
		}
		m, name = next, r[i+1:]
	}
	return name
}

// absolute spells a relative import: the first dot is the module's package.
func absolute(m Module, r string) string {
	pkg := m.Name
	if !m.Package {
		pkg = parent(pkg)
	}
	r = r[1:]
	for strings.HasPrefix(r, ".") {
		pkg, r = parent(pkg), r[1:]
	}
	return strings.TrimPrefix(pkg+"."+r, ".")
}

func parent(name string) string { return name[:max(strings.LastIndexByte(name, '.'), 0)] }

// applications are all objects and functions that could be served.
func (s *survey) applications() []candidate {
	words := []string{}
	for _, f := range s.classes {
		words = append(words, f.pkg)
	}
	var out []candidate
	for _, m := range s.with(words...) {
		p := s.module(m)
		for _, v := range p.Values {
			if f, ok := s.classes[p.Resolve(v.Call)]; ok && v.Call != "" {
				out = append(out, candidate{module: m, object: v.Name, framework: f, line: v.Line})
			}
		}
		for _, fn := range p.Functions {
			if f, ok := s.returns(p, fn); ok {
				c := candidate{module: m, object: fn.Name, factory: true, framework: f, line: fn.Line}
				s.factories[m.Name+"."+fn.Name] = c
				if !fn.Needs {
					out = append(out, c)
				}
			}
		}
	}
	var names []string
	for full := range s.factories {
		names = append(names, full[strings.LastIndexByte(full, '.')+1:])
	}
	if len(names) == 0 {
		return out
	}
	for _, m := range s.with(names...) {
		for _, v := range s.module(m).Values {
			if v.Call == "" {
				continue
			}
			if c, ok := s.factories[s.full(m, v.Call)]; ok {
				out = append(out, candidate{module: m, object: v.Name, framework: c.framework, line: v.Line})
			}
		}
	}
	return out
}

// returns says whether a function makes and returns an application.
func (s *survey) returns(p source.Module, fn source.Function) (framework, bool) {
	ends := slices.ContainsFunc(fn.Values, func(v source.Value) bool { return v.Name == "return" })
	for _, v := range fn.Values {
		if f, ok := s.classes[p.Resolve(v.Call)]; ok && v.Call != "" && ends {
			return f, true
		}
	}
	return framework{}, false
}

// django follows WSGI_APPLICATION and ASGI_APPLICATION of the settings.
func (s *survey) django() (candidate, bool, error) {
	if !s.in.Locked("django") {
		return candidate{}, false, nil
	}
	found := map[kind][]candidate{}
	for _, m := range s.with("WSGI_APPLICATION", "ASGI_APPLICATION") {
		for _, v := range s.module(m).Values {
			k := kind(strings.TrimSuffix(v.Name, "_APPLICATION"))
			if (k != wsgi && k != asgi) || v.String == "" || !strings.HasSuffix(v.Name, "_APPLICATION") {
				continue
			}
			i := strings.LastIndexByte(v.String, '.')
			if i <= 0 {
				continue
			}
			c := candidate{module: Module{Name: v.String[:i], Path: m.Path}, object: v.String[i+1:], framework: framework{pkg: "django", kind: k, display: "Django"}, line: v.Line}
			if !slices.ContainsFunc(found[k], func(o candidate) bool { return o.target() == c.target() }) {
				found[k] = append(found[k], c)
			}
		}
	}
	// Who sets ASGI_APPLICATION wants it; WSGI_APPLICATION is in every project.
	k := wsgi
	if len(found[asgi]) > 0 && s.in.Locked("uvicorn") || len(found[wsgi]) == 0 {
		k = asgi
	}
	if len(found[k]) == 0 {
		return candidate{}, false, nil
	}
	if len(found[k]) > 1 {
		var list []string
		for _, c := range found[k] {
			list = append(list, c.target()+" ("+c.at()+")")
		}
		return candidate{}, false, failure.New(failure.Usage, hintNoStart, "finding the entry point: the settings name several: %s", strings.Join(list, ", "))
	}
	c := found[k][0]
	if k == wsgi && !s.in.Locked("gunicorn") && s.in.Locked("uvicorn") {
		other := c
		other.module.Name = parent(c.module.Name) + ".asgi"
		other.kind = asgi
		if s.place(&other) {
			return other, true, nil
		}
	}
	if !s.place(&c) {
		return candidate{}, false, failure.New(failure.Usage, "see what the packaging and .dockerignore leave out, or name it by --entrypoint",
			"finding the entry point: %s names the module %q, which the image does not have", c.at(), c.module.Name)
	}
	return c, true, nil
}

// place finds the folder that a module is importable from: the default ones, or
// the one below that manage.py would be started in.
func (s *survey) place(c *candidate) bool {
	if _, ok := s.byName[c.module.Name]; ok {
		return true
	}
	var roots []string
	for name, m := range s.byName {
		if prefix, ok := strings.CutSuffix(name, "."+c.module.Name); ok {
			roots = append(roots, path.Join(m.Root, strings.ReplaceAll(prefix, ".", "/")))
		}
	}
	if len(roots) != 1 {
		return false
	}
	c.module.Root, c.nested = roots[0], true
	return true
}
