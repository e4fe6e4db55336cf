package lock

import (
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/fairlead-ci/fairlead/internal/python/document"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// where gives each package of a TOML lock its place.
type where struct {
	path string
	at   []document.Pos
}

func (w where) pkg(i int) (line, column int) {
	if i < len(w.at) {
		return w.at[i].Line, w.at[i].Column
	}
	return 1, 1
}

func (w where) errorf(i int, format string, args ...any) error {
	line, column := w.pkg(i)
	return fmt.Errorf("%s:%d:%d: "+format, append([]any{w.path, line, column}, args...)...)
}

// newPackage checks what every format has.
func (w where) newPackage(i int, name, ver string) (Package, error) {
	if i >= maxPackages {
		return Package{}, w.errorf(i, "more than %d packages", maxPackages)
	}
	r, err := requirement.Parse(name)
	if err != nil || r.Name != name {
		return Package{}, w.errorf(i, "%q is no package name", name)
	}
	if ver != "" {
		if _, err := version.Parse(ver); err != nil {
			return Package{}, w.errorf(i, "%s: %w", name, err)
		}
	}
	p := Package{Name: requirement.NormalizeName(name), Version: ver, Path: w.path}
	p.Line, p.Column = w.pkg(i)
	return p, nil
}

// marker reads a marker, "" is none.
func marker(s string) (*requirement.Marker, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	m, err := requirement.ParseMarker(s)
	if err != nil {
		return nil, fmt.Errorf("marker %q: %w", s, err)
	}
	return m, nil
}

// parseHash reads "sha256:…" and checks form and length.
func parseHash(s string) (Hash, error) {
	algo, digest, ok := strings.Cut(s, ":")
	if !ok {
		return Hash{}, fmt.Errorf("%q is no hash: it is an algorithm, a colon and hex digits", s)
	}
	return newHash(algo, digest)
}

func newHash(algo, digest string) (Hash, error) {
	want := map[string]int{"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128, "blake2b": 128}[strings.ToLower(algo)]
	if _, err := hex.DecodeString(digest); err != nil || digest == "" {
		return Hash{}, fmt.Errorf("malformed hash %q: not hex digits", algo+":"+digest)
	}
	if want != 0 && len(digest) != want {
		return Hash{}, fmt.Errorf("malformed hash %q: %s has %d hex digits", algo+":"+digest, algo, want)
	}
	return Hash{strings.ToLower(algo), strings.ToLower(digest)}, nil
}

// baseName is the file name at the end of a URL or path.
func baseName(url string) string {
	url, _, _ = strings.Cut(url, "#")
	url, _, _ = strings.Cut(url, "?")
	return unescape(path.Base(strings.ReplaceAll(url, `\`, "/")))
}

// unescape undoes %2B and its like in a file name; what is malformed stays.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b.WriteByte(c[0])
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// timeOf reads a date and time as TOML and uv write them; zero where unreadable.
func timeOf(v any) time.Time {
	switch t := v.(type) {
	case time.Time:
		return t.UTC()
	case toml.LocalDateTime:
		return t.AsTime(time.UTC)
	case string:
		if p, err := time.Parse(time.RFC3339, t); err == nil {
			return p.UTC()
		}
	}
	return time.Time{}
}

// text is v as a string, "" where it is none.
func text(v any) string {
	s, _ := v.(string)
	return s
}

// texts is v as a list of strings; a lone string counts as one.
func texts(v any) []string {
	switch t := v.(type) {
	case string:
		return []string{t}
	case []any:
		var out []string
		for _, x := range t {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

func normalAll(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, requirement.NormalizeName(n))
	}
	return out
}
