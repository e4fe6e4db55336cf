//go:build conformance

package conform

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/sbom"
)

// wheels is where ours keeps wheels between runs.
func deps(t *testing.T) image.Deps {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(cache, "wheels"))
	if err != nil {
		t.Fatal(err)
	}
	return image.Deps{CacheDir: dir, WorkDir: t.TempDir(), Now: time.Now, Getenv: func(string) string { return "" }}
}

func request(t *testing.T, p project, g target, bases map[target]string, pages *memo) image.Request {
	t.Helper()
	url, err := index.DefaultURL()
	if err != nil {
		t.Fatal(err)
	}
	dir := p.locked(t)
	return image.Request{Context: dir, Lock: lockFile[p.Format], Base: "oci:" + bases[g], Platforms: []string{"linux/" + g.arch},
		Project: image.ProjectSource, Entrypoint: "/app/.venv/bin/python", Index: index.Config{IndexURL: url, HTTP: &http.Client{Transport: pages}}}
}

// memo remembers the index's pages, without files of versions that are not
// locked: every target reads the same, and some pages are megabytes long.
type memo struct {
	mu     sync.Mutex
	seen   map[string][]byte
	head   map[string]http.Header
	locked map[string][]string // versions by name
}

func newMemo(t *testing.T, dir string) *memo {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, pins))
	if err != nil {
		t.Fatal(err)
	}
	m := &memo{seen: map[string][]byte{}, head: map[string]http.Header{}, locked: map[string][]string{}}
	for _, p := range pinned.FindAllSubmatch(raw, -1) {
		name := requirement.NormalizeName(string(p[1]))
		m.locked[name] = append(m.locked[name], string(p[2]))
	}
	return m
}

var pinned = regexp.MustCompile(`(?m)^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)`)

// prune drops the files of other versions from a page.
func (m *memo) prune(name string, page []byte) []byte {
	var doc map[string]any
	if json.Unmarshal(page, &doc) != nil {
		return page
	}
	files, ok := doc["files"].([]any)
	if !ok {
		return page
	}
	doc["files"] = slices.DeleteFunc(files, func(f any) bool {
		file, _ := f.(map[string]any)["filename"].(string)
		return !slices.ContainsFunc(m.locked[name], func(v string) bool {
			public, _, _ := strings.Cut(v, "+")
			return strings.Contains(file, strings.TrimRight(public, ".0"))
		})
	})
	delete(doc, "versions")
	if short, err := json.Marshal(doc); err == nil {
		return short
	}
	return page
}

func (m *memo) RoundTrip(r *http.Request) (*http.Response, error) {
	key := r.URL.String()
	page := strings.HasSuffix(r.URL.Path, "/")
	m.mu.Lock()
	body, ok := m.seen[key]
	header := m.head[key]
	m.mu.Unlock()
	if ok && page {
		return &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !page || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, err = io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	body = m.prune(path.Base(r.URL.Path), body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen[key], m.head[key] = body, resp.Header
	return resp, nil
}

func writeBases(t *testing.T) map[target]string {
	out := map[target]string{}
	for i, g := range targets() {
		out[g] = filepath.Join(t.TempDir(), fmt.Sprint(i))
		g.base(t, out[g])
	}
	return out
}

var missing = regexp.MustCompile(`(?m)^  ([a-z0-9-]+)==\S+ \(`)

// ourChoice is build-image's plan for a target.
func ourChoice(t *testing.T, p project, g target, bases map[target]string, pages *memo) chosen {
	t.Helper()
	c := chosen{}
	res, err := image.Plan(context.Background(), request(t, p, g, bases, pages), deps(t))
	if err != nil {
		found := missing.FindAllStringSubmatch(err.Error(), -1)
		if len(found) == 0 {
			t.Fatalf("%s for %s: %v", p.Name, g, err)
		}
		for _, m := range found {
			c[m[1]] = ""
		}
		return c
	}
	for _, w := range res.Platforms[0].Wheels {
		c[requirement.NormalizeName(w.Name)] = w.Wheel
	}
	return c
}

// TestConformanceChosenWheels: for every project and every target, build-image,
// uv and pip take the same files, or all find that something has none.
func TestConformanceChosenWheels(t *testing.T) {
	bases := writeBases(t)
	var same, files, refusals int
	formats := map[string]int{}
	covered := map[target]bool{}
	for k, p := range projects(t) {
		t.Run(p.Name, func(t *testing.T) {
			dir := p.locked(t)
			file := filepath.Join(dir, pins)
			pip := pipChooses(t, file, some(k))
			pages := newMemo(t, dir)
			for i, g := range some(k) {
				covered[g] = true
				what := fmt.Sprintf("%s for %s", p.Name, g)
				ours := ourChoice(t, p, g, bases, pages)
				uv, refused := uvChooses(t, g, file)
				lacking := without(pip[i])
				if len(lacking) > 0 || refused != "" {
					// Ours and pip's finder name all that is missing, uv one of them.
					if got := without(ours); !slices.Equal(got, lacking) {
						t.Errorf("%s: no wheel for %v, with pip for %v", what, got, lacking)
					} else if !slices.Contains(lacking, refused) {
						t.Errorf("%s: no wheel for %v; uv refuses %q", what, lacking, refused)
					} else {
						refusals++
					}
					continue
				}
				ok := diff(t, what+", with pip", ours, pip[i])
				if diff(t, what+", with uv", ours, uv) && ok {
					same++
					files += len(ours)
				}
			}
			formats[p.Format]++
		})
	}
	compared := 0
	for _, n := range formats {
		compared += n
	}
	report("Chosen wheels", fmt.Sprintf("%d projects (%s), %d targets, four for each project: %d times build-image, uv and pip take the same set (%d files in all); %d times all three find that a package has no wheel for the target, and name it.",
		compared, count(formats), len(covered), same, files, refusals))
	t.Logf("%d projects, %d targets: %d sets the same as uv's and pip's (%d wheels), %d refused by all three for the same packages", compared, len(covered), same, files, refusals)
}

func without(c chosen) []string {
	var out []string
	for name, file := range c {
		if file == "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func diff(t *testing.T, what string, ours, theirs chosen) bool {
	t.Helper()
	all := maps.Clone(ours)
	maps.Copy(all, theirs)
	ok := true
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if a, b := ours[name], theirs[name]; a != b {
			t.Errorf("%s: %s: ours %q, theirs %q", what, name, a, b)
			ok = false
		}
	}
	return ok
}

// TestConformanceInstalledTrees installs every project for one target, another
// for each, with all three, and compares file by file.
func TestConformanceInstalledTrees(t *testing.T) {
	bases := writeBases(t)
	table := map[string]map[string]int{"uv": {}, "pip": {}}
	var trees, files int
	covered := map[target]int{}
	for i, p := range projects(t) {
		t.Run(p.Name, func(t *testing.T) {
			g, ours := oneTree(t, p, i, bases, table)
			if len(ours) > 0 {
				trees++
				files += len(ours)
				covered[g]++
			}
		})
	}
	report("Installed trees", fmt.Sprintf("%d projects over %d of %d targets: %d files, compared by content and x-bit. Every difference has one of these reasons:\n\n%s", trees, len(covered), len(targets()), files, explain(table)))
	t.Logf("%d trees over %d targets, %d files\n%s", trees, len(covered), files, explain(table))
}

// oneTree installs a project with all three and enters the differences into the
// table.
func oneTree(t *testing.T, p project, i int, bases map[target]string, table map[string]map[string]int) (target, tree) {
	dir := p.locked(t)
	pages := newMemo(t, dir)
	g, ok := installable(t, p, i, bases, pages)
	if !ok {
		t.Log("no target has wheels for all of it")
		return g, nil
	}
	r := request(t, p, g, bases, pages)
	layout := filepath.Join(t.TempDir(), "image")
	r.Outputs = []image.Output{{Kind: image.OutputOCI, Path: layout}}
	r.SBOM, r.SBOMFolder = sbom.Formats(), t.TempDir()
	if _, err := image.Build(context.Background(), r, deps(t)); err != nil {
		t.Fatalf("for %s: %v", g, err)
	}
	img, err := oci.ReadLayout(layout, "linux/"+g.arch)
	if err != nil {
		t.Fatal(err)
	}
	ours := inImage(t, img, g)
	uvFile := pins
	if p.Format == "pylock" {
		uvFile = lockFile[p.Format] // uv reads it itself
	}
	into := t.TempDir()
	uvInstalls(t, g, dir, filepath.Join(dir, uvFile), filepath.Join(into, "uv"))
	pipInstalls(t, g, dir, filepath.Join(dir, pins), filepath.Join(into, "pip"))
	lock, err := os.ReadFile(filepath.Join(dir, pins))
	if err != nil {
		t.Fatal(err)
	}
	checkBills(t, r.SBOMFolder, onDisk(t, filepath.Join(into, "uv")), lock)
	for _, peer := range []string{"uv", "pip"} {
		theirs := onDisk(t, filepath.Join(into, peer))
		n := 0
		for name, why := range compare(ours, theirs) {
			if table[peer][why]++; why == "" {
				if n++; n <= 10 {
					a, b := ours[name], theirs[name]
					t.Errorf("for %s: %s differs from %s: ours %x %v, theirs %x %v", g, name, peer, a.sum[:4], a.exec, b.sum[:4], b.exec)
				}
			}
		}
	}
	return g, ours
}

// installable picks the target of a project: the i-th, or the next that has
// wheels for all packages.
func installable(t *testing.T, p project, i int, bases map[target]string, pages *memo) (target, bool) {
	all := targets()
	for k := range all {
		g := all[(i%4*4+i/4+k)%len(all)]
		if c := ourChoice(t, p, g, bases, pages); len(without(c)) == 0 {
			return g, true
		}
	}
	return target{}, false
}

func explain(table map[string]map[string]int) string {
	reasons := maps.Clone(table["uv"])
	maps.Copy(reasons, table["pip"])
	var b strings.Builder
	b.WriteString("| difference | files, to uv | files, to pip |\n|---|---|---|\n")
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		name := why
		if why == "" {
			name = "**without explanation**"
		}
		fmt.Fprintf(&b, "| %s | %d | %d |\n", name, table["uv"][why], table["pip"][why])
	}
	return b.String()
}

func count(m map[string]int) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%d %s", m[k], k))
	}
	return strings.Join(out, ", ")
}

// report keeps a result for the results page (scripts/conformance-page).
func report(title, text string) {
	dir := filepath.Join(cache, "results")
	if os.MkdirAll(dir, 0o755) == nil {
		_ = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(strings.ToLower(title), " ", "-")+".md"), []byte("## "+title+"\n\n"+text+"\n"), 0o644)
	}
}
