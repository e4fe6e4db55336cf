//go:build conformance

package conform

import (
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

type pipLine struct {
	File        string
	Line        int
	Constraint  bool
	Editable    string
	Requirement string
	Hashes      []string
	Name        string
	Extras      []string
	Spec        []string
	Marker      bool
	Link        bool
	Refused     any
	Options     map[string]any
}

type pipFile struct {
	Lines []pipLine
	Error string
}

func TestConformanceRequirementsFiles(t *testing.T) {
	g := newGen(5)
	vars := map[string]string{"VER": "1.5", "V_1": "2"}
	var qs [][]any
	var files []map[string]string
	for range 6000 {
		f := map[string]string{"r.txt": g.file(), "b.txt": "b==1\n", "c.txt": "c\n--pre\n"}
		if g.IntN(4) == 0 {
			f["b.txt"] = g.line() + "\n"
		}
		asBytes := map[string]string{}
		for k, v := range f {
			asBytes[k] = latin1(v)
		}
		files = append(files, f)
		qs = append(qs, []any{"requirements_file", asBytes, vars})
	}
	c := tally{t: t}
	for i, theirs := range ask[pipFile](t, qs) {
		ours, why := read(t, files[i], vars)
		want := describe(theirs)
		if theirs.Error != "" && strings.HasPrefix(ours, "refused") {
			want = ours // pip stops at the first error; so the rest is not compared
		}
		if why == "" {
			ours, why = alike(ours, want, theirs)
		}
		c.check(ours, want, why, files[i]["r.txt"], files[i]["b.txt"])
	}
	c.done("requirements files")
}

// alike accounts for what differs on purpose: it returns theirs where the answers
// mean the same, or the reason of a difference.
func alike(ours, theirs string, pip pipFile) (same, why string) {
	if ours == theirs {
		return ours, ""
	}
	if pip.Error == "decoding" {
		return ours, "not UTF-8: reported and read as Latin-1 here; pip asks the machine's locale"
	}
	a, b := strings.Split(ours, "\n"), strings.Split(theirs, "\n")
	if len(a) < len(b) {
		first := func(l []string) (out []string) {
			for _, x := range l {
				if strings.HasPrefix(x, "r.txt") || !slices.Contains(out, x) {
					out = append(out, x)
				}
			}
			return out
		}
		a, b = first(a), first(b)
		why = "a file that is included twice is read once"
	}
	if len(a) != len(b) {
		return ours, ""
	}
	for i := range a {
		_, k, _ := strings.Cut(a[i], " ")
		_, l, _ := strings.Cut(b[i], " ")
		ka, kb := strings.Fields(k), strings.Fields(l)
		switch {
		case a[i] == b[i]:
		case len(ka) > 1 && len(kb) > 1 && kb[1] == "path" && (ka[1] == "link" || ka[1] == "refused"):
			// pip looked for a path that is not there; a reader of a repository calls it local.
		case len(ka) > 1 && len(kb) > 1 && kb[1] == "refused" && ka[1] == "link" && slices.ContainsFunc(pip.Lines, func(l pipLine) bool {
			return strings.HasPrefix(l.Requirement, ".") || strings.ContainsAny(l.Requirement, "/")
		}):
			why = "a path or URL of no known form: local here, refused by pip, which looked for it on the disk"
		default:
			return ours, ""
		}
	}
	if why == "" {
		return theirs, ""
	}
	return ours, why
}

// latin1 passes bytes through JSON.
func latin1(s string) string {
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

// describe writes what pip read, one line each.
func describe(f pipFile) string {
	if f.Error != "" {
		return "refused " + f.Error
	}
	var b strings.Builder
	for _, l := range f.Lines {
		kind := ""
		switch {
		case l.Editable != "":
			kind = "editable " + l.Editable
		case l.Requirement != "" && l.Refused != nil:
			kind = "refused"
			if l.Refused == "path" {
				kind = "path"
			}
		case l.Link:
			kind = "link"
		case l.Requirement != "":
			kind = "named " + l.Name + " " + sprint(names(l.Extras)) + " " + sprint(names(l.Spec)) + " " + sprint(l.Marker)
		default:
			if len(l.Options) == 0 {
				continue
			}
			var opts []string
			for k, v := range l.Options {
				opts = append(opts, k+"="+sprint(v))
			}
			sort.Strings(opts)
			kind = "options " + strings.Join(opts, " ")
		}
		if len(l.Hashes) > 0 {
			kind += " hashes " + sprint(l.Hashes)
		}
		b.WriteString(l.File + " " + sprint(l.Constraint) + " " + kind + "\n")
	}
	return b.String()
}

// read is what reqfile reads, in the same form.
func read(t *testing.T, files map[string]string, vars map[string]string) (got, why string) {
	fsys := fstest.MapFS{}
	for k, v := range files {
		fsys[k] = &fstest.MapFile{Data: []byte(v)}
	}
	set, err := reqfile.Parse(fsys, "r.txt", reqfile.Options{Getenv: func(k string) string { return vars[k] }})
	if err != nil {
		t.Fatal(err)
	}
	fatal := false
	badHash := false
	for _, p := range set.Problems {
		if strings.HasPrefix(p.Msg, "malformed hash") {
			badHash = true
		}
		if !strings.HasPrefix(p.Msg, "not a requirement") && !strings.HasPrefix(p.Msg, "not a marker") && !strings.HasPrefix(p.Msg, "malformed hash") && !strings.HasPrefix(p.Msg, "--hash belongs") &&
			!strings.HasPrefix(p.Msg, "not valid UTF-8") {
			fatal = true
		}
	}
	if badHash {
		why = "a hash of the wrong length: pip fails only later"
	}
	if fatal {
		return "refused", why
	}
	var b strings.Builder
	type key struct {
		file string
		line int
	}
	options := map[key]map[string]any{}
	flush := func(k key) {
		if o := options[k]; o != nil {
			var opts []string
			for n, v := range o {
				opts = append(opts, n+"="+sprint(v))
			}
			sort.Strings(opts)
			b.WriteString(k.file + " " + sprint(o["-constraint"] != nil) + " options " + strings.Join(slices.DeleteFunc(opts, func(s string) bool { return s[0] == '-' }), " ") + "\n")
			delete(options, k)
		}
	}
	var last key
	for _, it := range set.Items {
		k := key{it.Pos.Path, it.Pos.Line*1000 + it.Pos.Column}
		k.line = it.Pos.Line
		if it.Kind != reqfile.Option || k != last || it.Odd {
			flush(last)
		}
		last = k
		kind := ""
		switch it.Kind {
		case reqfile.Option:
			dest := map[string]string{"--index-url": "index_url", "--extra-index-url": "extra_index_urls", "--no-index": "no_index", "--find-links": "find_links",
				"--require-hashes": "require_hashes", "--no-require-hashes": "no_require_hashes", "--pre": "pre", "--prefer-binary": "prefer_binary", "--trusted-host": "trusted_hosts"}[it.Name]
			if dest == "" {
				continue
			}
			if options[k] == nil {
				options[k] = map[string]any{}
				if it.Constraint {
					options[k]["-constraint"] = true
				}
			}
			switch dest {
			case "extra_index_urls", "find_links", "trusted_hosts":
				l, _ := options[k][dest].([]string)
				options[k][dest] = append(l, it.Value)
			case "index_url":
				options[k][dest] = it.Value
			default:
				options[k][dest] = true
			}
			continue
		case reqfile.Ignored:
			if it.Name != "" {
				continue
			}
			kind = "refused"
		case reqfile.Editable:
			kind = "editable " + it.Text
		case reqfile.Named:
			if it.Requirement.URL != "" {
				kind = "named " + requirement.NormalizeName(it.Requirement.Name) + " " + sprint(names(it.Requirement.Extras)) + " [] " + sprint(it.Requirement.Marker != nil)
			} else {
				kind = "named " + requirement.NormalizeName(it.Requirement.Name) + " " + sprint(names(it.Requirement.Extras)) + " " + sprint(clauses(it.Requirement.Specifiers)) + " " + sprint(it.Requirement.Marker != nil)
			}
		default:
			kind = "link"
		}
		var hs []string
		for _, h := range it.Hashes {
			hs = append(hs, h.Algorithm+":"+h.Hex)
		}
		sort.Strings(hs)
		if len(hs) > 0 {
			kind += " hashes " + sprint(hs)
		}
		b.WriteString(it.Pos.Path + " " + sprint(it.Constraint) + " " + kind + "\n")
	}
	flush(last)
	return b.String(), why
}
