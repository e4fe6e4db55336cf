package image

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/cache"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/tags"
	"github.com/fairlead-ci/fairlead/internal/python/version"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// Choice is the wheel that a platform gets for a package, and why.
type Choice struct {
	Package lock.Package `json:"-"`
	Name    string       `json:"name"`
	Version string       `json:"version"`
	// Wheel is the chosen file's name, Tag the best of its tags for the target.
	Wheel string `json:"wheel"`
	Tag   string `json:"tag"`
	// From is where the file is: an address without credentials, or a path.
	From string `json:"from"`
	Size int64  `json:"size,omitempty"` // bytes, where the source says it
	// SHA256 is the file's digest in hex, where the source says it.
	SHA256 string `json:"sha256,omitempty"`
	// Notes are what a person should know: the file is yanked, say.
	Notes []string `json:"notes,omitempty"`

	file index.File
	pure bool
	// stocked is the wheel as the cache has it: it need not be fetched.
	stocked *cache.Wheel
	single  *cache.Single // where it came alone
	home    string        // of one that the cache has, see homeOf
	hint    bool          // the lock says where the file is, not an index
}

// Missing is a package without a usable wheel.
type Missing struct {
	Package  lock.Package
	Platform string
	Target   tags.Target
	// Seen are the files of this version that are there, each with the reason
	// why it was not taken.
	Seen []string
}

// choose picks the wheel for a package: among the files of the locked version
// with a locked hash, the one whose tag the target prefers; ties go to the
// highest build number, as pip does.
func choose(p lock.Package, t tags.Target, rank map[string]int, files []index.File) (Choice, []string) {
	want, err := version.Parse(p.Version)
	if err != nil {
		return Choice{}, []string{err.Error()}
	}
	type candidate struct {
		Choice
		rank  int
		build int
		rest  string
	}
	var found []candidate
	var seen []string
	for _, f := range files {
		n, why := usable(f, p, want, t)
		if why == skip {
			continue
		}
		if why != "" {
			seen = append(seen, f.Name+" ("+why+")")
			continue
		}
		best := -1
		for _, tag := range n.Tags {
			if r, ok := rank[tag]; ok && (best < 0 || r < best) {
				best = r
			}
		}
		if best < 0 {
			seen = append(seen, f.Name+" (for another target)")
			continue
		}
		c := candidate{rank: best}
		c.build, c.rest = n.BuildNumber()
		c.Choice = Choice{Package: p, Name: p.Name, Version: p.Version, Wheel: f.Name, From: oneLine(index.Redact(f.URL)), Size: f.Size, SHA256: strings.ToLower(f.Hashes["sha256"]), file: f, pure: pure(n.Tags)}
		for _, tag := range n.Tags {
			if rank[tag] == best {
				c.Tag = tag
			}
		}
		if f.Yanked {
			c.Notes = append(c.Notes, strings.TrimSpace("the index says that this file is yanked: "+oneLine(f.YankedReason)))
		}
		found = append(found, c)
	}
	if len(found) == 0 {
		return Choice{}, seen
	}
	// Stable, so that the first source wins among equals.
	slices.SortStableFunc(found, func(a, b candidate) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		if a.build != b.build {
			return b.build - a.build
		}
		return strings.Compare(b.rest, a.rest)
	})
	return found[0].Choice, nil
}

// skip marks files that are no candidates at all.
const skip = "-"

// usable says why a file cannot be installed, "" if it can.
func usable(f index.File, p lock.Package, want version.Version, t tags.Target) (wheel.Name, string) {
	if !strings.HasSuffix(f.Name, ".whl") {
		if isSource(f.Name, p) {
			return wheel.Name{}, "needs to be built"
		}
		return wheel.Name{}, skip
	}
	n, err := wheel.ParseName(f.Name)
	if err != nil || n.NormalizedDist() != p.Name {
		return wheel.Name{}, skip
	}
	v, err := version.Parse(n.Version)
	if err != nil || v.Compare(want) != 0 {
		return wheel.Name{}, skip
	}
	if sum := f.Hashes["sha256"]; sum != "" && !slices.Contains(p.SHA256(), strings.ToLower(sum)) {
		return n, "its hash is not in the lock"
	}
	if f.RequiresPython != "" {
		full, errV := version.Parse(t.FullVersion)
		spec, errS := version.ParseSpecifiers(f.RequiresPython)
		// A malformed Requires-Python hinders nobody, as in pip.
		if errV == nil && errS == nil && !spec.Contains(full, true) {
			return n, "needs Python " + f.RequiresPython
		}
	}
	return n, ""
}

// isSource says whether a file is the locked version's source distribution.
func isSource(file string, p lock.Package) bool {
	stem, ok := strings.CutSuffix(file, ".tar.gz")
	if !ok {
		stem, ok = strings.CutSuffix(file, ".zip")
	}
	return ok && strings.HasSuffix(stem, "-"+p.Version)
}

func pure(all []string) bool {
	for _, t := range all {
		if !strings.HasSuffix(t, "-none-any") {
			return false
		}
	}
	return true
}

// refuse turns everything that is missing into the one error a person reads.
func refuse(missing []Missing) error {
	var b strings.Builder
	packages := map[string]bool{}
	for _, m := range missing {
		packages[m.Package.Name] = true
		fmt.Fprintf(&b, "\n  %s==%s (%s) for %s\n    tried: %s", m.Package.Name, m.Package.Version, m.Package.At(), m.Target, tried(m.Target))
		if len(m.Seen) == 0 {
			b.WriteString("\n    there is: no file of this version")
		}
		const most = 12
		for i, s := range m.Seen {
			if i == most {
				fmt.Fprintf(&b, "\n    and %d more", len(m.Seen)-most)
				break
			}
			b.WriteString("\n    there is: " + s)
		}
	}
	return failure.New(failure.Answer,
		"give a wheel built for the platform with --find-links FOLDER (its hash must be in the lock), or choose a base or version that has one; sources are never built here",
		"planning: no usable wheel for %s:%s", plural(len(packages), "package", "packages"), b.String())
}

// tried is what was looked for, as tags of which the middle is left out.
func tried(t tags.Target) string {
	all, err := tags.Supported(t)
	if err != nil || len(all) == 0 {
		return "nothing"
	}
	// Three parts each: interpreter, ABI, platform; platforms repeat.
	var pairs, platforms []string
	for _, tag := range all {
		parts := strings.Split(tag, "-")
		if p := parts[0] + "-" + parts[1]; !slices.Contains(pairs, p) && parts[2] != "any" {
			pairs = append(pairs, p)
		}
		if !slices.Contains(platforms, parts[2]) && parts[2] != "any" {
			platforms = append(platforms, parts[2])
		}
	}
	return fmt.Sprintf("%d tags: %s on %s; %s … %s", len(all), ends(pairs, 3), ends(platforms, 2), all[len(all)-1-t.Python[1]-2], all[len(all)-1])
}

// ends are the first and the last of a list.
func ends(list []string, first int) string {
	if len(list) <= first+1 {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:first], ", ") + ", … " + list[len(list)-1]
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// oneLine keeps a stranger's text from forging lines of ours.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}
