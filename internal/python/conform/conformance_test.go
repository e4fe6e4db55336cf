//go:build conformance

package conform

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// ask puts questions to packaging and pip.
func ask[T any](t *testing.T, questions [][]any) []T {
	t.Helper()
	python, err := filepath.Abs("../../../.cache/conformance/core/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Skip("no virtual environment: run make conformance, which installs packaging and pip")
	}
	in, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/oracle.py")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var answers []T
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions))
	}
	return answers
}

// tally counts differences; those with a reason are listed, others fail.
type tally struct {
	t         *testing.T
	same      int
	explained map[string]int
	shown     int
}

func (c *tally) check(ours, theirs string, why string, what ...string) {
	c.t.Helper()
	switch {
	case ours == theirs:
		c.same++
	case why != "":
		if c.explained == nil {
			c.explained = map[string]int{}
		}
		c.explained[why]++
	default:
		if c.shown++; c.shown <= 25 {
			c.t.Errorf("%q:\nours   %s\ntheirs %s", what, ours, theirs)
		} else {
			c.t.Fail()
		}
	}
}

func (c *tally) done(what string) {
	c.t.Logf("%s: %d the same, %d different without explanation, explained %v", what, c.same, c.shown, c.explained)
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestConformanceVersions(t *testing.T) {
	g := newGen(1)
	var qs [][]any
	for range 22000 {
		a, b := g.version(), g.version()
		if g.IntN(4) == 0 {
			b = g.mutate(a)
		}
		qs = append(qs, []any{"compare", a, b})
	}
	c := tally{t: t}
	for i, theirs := range ask[any](t, qs) {
		a, b := qs[i][1].(string), qs[i][2].(string)
		var ours any = "invalid"
		x, errX := version.Parse(a)
		y, errY := version.Parse(b)
		if errX == nil && errY == nil {
			ours = []any{x.String(), sign(x.Compare(y))}
		}
		c.check(jsonOf(ours), jsonOf(theirs), "", a, b)
	}
	c.done("version comparisons")
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func clauses(ss version.Specifiers) []string {
	out := []string{}
	for _, s := range ss {
		text := s.Op + s.Version
		if s.Wildcard {
			text += ".*"
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	sort.Strings(out)
	return out
}

func TestConformanceSpecifiers(t *testing.T) {
	g := newGen(2)
	var qs [][]any
	for range 22000 {
		s := g.specifiers()
		v := g.version()
		if g.IntN(2) == 0 { // near one of the clauses
			v = strings.TrimSuffix(strings.TrimLeft(strings.Split(s, ",")[0], "=<>!~ "), ".*") + g.one("", ".0", ".1", ".dev0", "a1", ".post1", "+x")
		}
		qs = append(qs, []any{"contains", s, v})
	}
	c := tally{t: t}
	for i, theirs := range ask[any](t, qs) {
		s, v := qs[i][1].(string), qs[i][2].(string)
		var ours any
		ss, err := version.ParseSpecifiers(s)
		x, errV := version.Parse(v)
		switch {
		case err != nil:
			ours = "invalid"
		case errV != nil:
			ours = "invalid version"
		default:
			ours = []any{ss.Contains(x, true)}
			if l, ok := theirs.([]any); ok {
				theirs = l[:1] // the clauses' spelling is packaging's own
			}
		}
		c.check(jsonOf(ours), jsonOf(theirs), "", s, v)
	}
	c.done("specifier checks")
}

func environment() map[string]string {
	return map[string]string{
		"python_version": "3.11", "python_full_version": "3.11.7", "os_name": "posix", "sys_platform": "linux", "platform_machine": "x86_64",
		"platform_system": "Linux", "platform_release": "6.18.44-x", "platform_version": "#1 SMP", "platform_python_implementation": "CPython",
		"implementation_name": "cpython", "implementation_version": "3.11.7", "extra": "test-it",
	}
}

func TestConformanceMarkers(t *testing.T) {
	g := newGen(3)
	var qs [][]any
	for range 12000 {
		m := g.marker(3)
		if g.IntN(100) < 15 {
			m = g.mutate(m)
		}
		qs = append(qs, []any{"marker", m, environment()})
	}
	env := requirement.Env{Vars: environment(), Extras: []string{"test-it"}}
	delete(env.Vars, "extra")
	c := tally{t: t}
	for i, theirs := range ask[any](t, qs) {
		text := qs[i][1].(string)
		var ours any = "invalid"
		why := ""
		m, err := requirement.ParseMarker(text)
		if err == nil {
			ok, err := m.Eval(env)
			ours = ok
			if err != nil {
				ours = "undefined"
			}
			if strings.Contains(text, "extra") && ours != theirs {
				why = explainExtra(m.String())
			}
		}
		c.check(jsonOf(ours), jsonOf(theirs), why, text)
	}
	c.done("markers")
}

// explainExtra: "extra" is a set here, of which a target may have several, so
// only == and != make sense; packaging compares it as one string.
func explainExtra(m string) string {
	for _, f := range []string{"extra <", "extra >", "extra ~=", "extra in", "extra not in", "in extra", "< extra", "> extra", "<= extra", ">= extra", "~= extra", "extra === ", "=== extra"} {
		if strings.Contains(m, f) {
			return "extra is a set of names here and compares with == and != only"
		}
	}
	return ""
}

func TestConformanceRequirements(t *testing.T) {
	g := newGen(4)
	var qs [][]any
	for range 12000 {
		qs = append(qs, []any{"requirement", g.requirement()})
	}
	c := tally{t: t}
	for i, theirs := range ask[any](t, qs) {
		text := qs[i][1].(string)
		var ours any = "invalid"
		if r, err := requirement.Parse(text); err == nil {
			ours = map[string]any{"name": requirement.NormalizeName(r.Name), "extras": names(r.Extras), "spec": clauses(r.Specifiers), "url": r.URL, "marker": r.Marker != nil}
		}
		c.check(jsonOf(ours), jsonOf(theirs), "", text)
	}
	c.done("requirement strings")
}

func names(extras []string) []string {
	out := []string{}
	for _, e := range extras {
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	sort.Strings(out)
	return out
}

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
