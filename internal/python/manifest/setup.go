package manifest

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"

	"gopkg.in/ini.v1"

	"github.com/fairlead-ci/fairlead/internal/python/document"
)

// Setup is what setup.cfg or setup.py says, as far as it is literal.
type Setup struct {
	RequiresPython string
	Dependencies   []string            // install_requires
	Optional       map[string][]string // extras_require
	SetupRequires  []string
	// Dynamic says that something is computed and not known.
	Dynamic bool
}

// SetupCfg reads a setuptools setup.cfg. Values behind "file:" and "attr:" are
// dynamic.
func SetupCfg(fsys fs.FS, name string) (*Setup, error) {
	data, err := document.Read(fsys, name)
	if err != nil {
		return nil, err
	}
	f, err := ini.LoadSources(ini.LoadOptions{AllowPythonMultilineValues: true, SpaceBeforeInlineComment: true, IgnoreInlineComment: true, SkipUnrecognizableLines: true}, data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	s := &Setup{Optional: map[string][]string{}}
	opts := f.Section("options")
	s.RequiresPython = strings.TrimSpace(opts.Key("python_requires").String())
	s.Dependencies = s.lines(opts.Key("install_requires").String())
	s.SetupRequires = s.lines(opts.Key("setup_requires").String())
	for _, k := range f.Section("options.extras_require").Keys() {
		s.Optional[k.Name()] = s.lines(k.String())
	}
	return s, nil
}

// lines divides a list value at line ends, or at semicolons where it is one line.
func (s *Setup) lines(v string) []string {
	if strings.HasPrefix(strings.TrimSpace(v), "file:") || strings.HasPrefix(strings.TrimSpace(v), "attr:") {
		s.Dynamic = true
		return nil
	}
	var out []string
	for _, l := range strings.Split(v, "\n") {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

var setupKeyword = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b(install_requires|setup_requires|tests_require|python_requires|extras_require)\s*=\s*`)
})

// SetupPy reads the keyword arguments of a setup.py that are literal lists and
// strings. Nothing is executed; names, calls and sums make it Dynamic.
func SetupPy(fsys fs.FS, name string) (*Setup, error) {
	data, err := document.Read(fsys, name)
	if err != nil {
		return nil, err
	}
	text := string(data)
	s := &Setup{Optional: map[string][]string{}}
	for _, m := range setupKeyword().FindAllStringSubmatchIndex(text, -1) {
		key, rest := text[m[2]:m[3]], text[m[1]:]
		switch {
		case key == "python_requires":
			if v, n := pyString(rest); n > 0 {
				s.RequiresPython = v
			} else {
				s.Dynamic = true
			}
		case strings.HasPrefix(rest, "["):
			list, ok := pyList(rest)
			s.Dynamic = s.Dynamic || !ok
			switch key {
			case "install_requires":
				s.Dependencies = append(s.Dependencies, list...)
			case "setup_requires":
				s.SetupRequires = append(s.SetupRequires, list...)
			}
		default:
			s.Dynamic = true
		}
	}
	return s, nil
}

// pyString reads a plain Python string literal and says how long it is, 0 if
// there is none.
func pyString(s string) (string, int) {
	if s == "" || s[0] != '\'' && s[0] != '"' || strings.HasPrefix(s, `"""`) || strings.HasPrefix(s, "'''") {
		return "", 0
	}
	end := strings.IndexByte(s[1:], s[0])
	if end < 0 || strings.ContainsAny(s[1:1+end], "\\\n") {
		return "", 0
	}
	return s[1 : 1+end], end + 2
}

// pyList reads a literal list of strings; ok is false where it holds else.
func pyList(s string) (out []string, ok bool) {
	for i := 1; i < len(s); {
		switch c := s[i]; {
		case c == ']':
			// "[…] + more" is a sum.
			rest := strings.TrimLeft(s[i+1:], " \t\r\n")
			return out, rest == "" || strings.IndexByte(",)}#", rest[0]) >= 0
		case strings.IndexByte(" \t\r\n,", c) >= 0:
			i++
		case c == '#':
			n := strings.IndexByte(s[i:], '\n')
			if n < 0 {
				return out, false
			}
			i += n
		default:
			v, n := pyString(s[i:])
			if n == 0 {
				return out, false
			}
			out = append(out, v)
			i += n
		}
	}
	return out, false
}
