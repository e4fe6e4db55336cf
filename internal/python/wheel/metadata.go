package wheel

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// headers reads an email-style header block as METADATA and WHEEL have it. Of a
// repeated header all values are kept, in order.
func headers(data []byte) map[string][]string {
	out := map[string][]string{}
	last := ""
	for _, line := range strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n") {
		if line == "" {
			break // the body follows
		}
		if line[0] == ' ' || line[0] == '\t' {
			if v := out[last]; last != "" && len(v) > 0 {
				v[len(v)-1] += "\n" + strings.TrimSpace(line)
			}
			continue
		}
		k, v, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		last = strings.ToLower(strings.TrimSpace(k))
		out[last] = append(out[last], strings.TrimSpace(v))
	}
	return out
}

func first(h map[string][]string, key string) string {
	if v := h[strings.ToLower(key)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// distInfo finds the one top-level .dist-info folder and checks that it belongs
// to the file's name and version.
func (a *archive) distInfo(n Name) (string, error) {
	found := ""
	for _, e := range a.entries {
		top, _, ok := strings.Cut(e.Name, "/")
		if !ok || !strings.HasSuffix(top, ".dist-info") || top == found {
			continue
		}
		if found != "" {
			return "", fmt.Errorf("reading wheel %q: two metadata folders, %q and %q", a.name, found, top)
		}
		found = top
	}
	if found == "" {
		return "", fmt.Errorf("reading wheel %q: no .dist-info folder", a.name)
	}
	dist, ver, _ := strings.Cut(strings.TrimSuffix(found, ".dist-info"), "-")
	if requirement.NormalizeName(dist) != n.NormalizedDist() || !sameVersion(ver, n.Version) {
		return "", fmt.Errorf("reading wheel %q: its metadata folder %q is another package's", a.name, found)
	}
	return found, nil
}

// sameVersion compares by PEP 440; the metadata may lack the file name's local part.
func sameVersion(meta, file string) bool {
	a, err1 := version.Parse(strings.ReplaceAll(meta, "_", "-"))
	b, err2 := version.Parse(strings.ReplaceAll(file, "_", "-"))
	if err1 != nil || err2 != nil {
		return meta == file
	}
	if a.Compare(b) == 0 {
		return true
	}
	pub, _, _ := strings.Cut(b.String(), "+")
	c, err := version.Parse(pub)
	return err == nil && a.Compare(c) == 0
}

// EntryPoint is a command that a wheel declares.
type EntryPoint struct {
	Name, Module, Attr string
}

var entryPoint = regexp.MustCompile(`^([\w.]+)\s*:\s*([\w.]+)\s*(?:\[.*\])?$`)

// entryPoints reads console_scripts and gui_scripts from entry_points.txt.
func entryPoints(wheel string, data []byte) ([]EntryPoint, error) {
	var out []EntryPoint
	section := ""
	for n, line := range strings.Split(string(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' && strings.HasSuffix(line, "]") {
			section = line[1 : len(line)-1]
			continue
		}
		if section != "console_scripts" && section != "gui_scripts" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		m := entryPoint.FindStringSubmatch(strings.TrimSpace(value))
		if !ok || m == nil {
			return nil, fmt.Errorf("reading wheel %q: entry_points.txt:%d: %q is not name = module:attribute", wheel, n+1, line)
		}
		if name == "" || strings.ContainsAny(name, "/\\") || name == "." || name == ".." {
			return nil, fmt.Errorf("reading wheel %q: entry_points.txt:%d: %q is no command name", wheel, n+1, name)
		}
		out = append(out, EntryPoint{name, m[1], m[2]})
	}
	return out, nil
}

var pipVersioned = regexp.MustCompile(`^pip\d+(\.\d+)?$`)

// pipItself replaces the versioned commands that pip's wheel declares, which are
// those of the Python that built it, by the target's, as pip and uv do.
func pipItself(all []EntryPoint, python [2]int) []EntryPoint {
	at := slices.IndexFunc(all, func(e EntryPoint) bool { return e.Name == "pip" })
	if at < 0 {
		return all
	}
	pip := all[at]
	all = slices.DeleteFunc(slices.Clone(all), func(e EntryPoint) bool { return pipVersioned.MatchString(e.Name) })
	for _, name := range []string{fmt.Sprintf("pip%d", python[0]), fmt.Sprintf("pip%d.%d", python[0], python[1])} {
		all = append(all, EntryPoint{name, pip.Module, pip.Attr})
	}
	return all
}
