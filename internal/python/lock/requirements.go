package lock

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// FromRequirements reads a fully hashed requirements file and what it includes.
// Every line that cannot be installed exactly and verified is listed in the one
// error it returns.
func FromRequirements(fsys fs.FS, name string, getenv func(string) string) (Lock, error) {
	set, err := reqfile.Parse(fsys, name, reqfile.Options{Getenv: getenv})
	if errors.Is(err, fs.ErrNotExist) {
		return Lock{}, failure.New(failure.Usage, "name the lock with --lock, or make one: uv pip compile --generate-hashes requirements.in -o requirements.txt",
			"reading the lock: %s does not exist", name)
	}
	if err != nil {
		return Lock{}, failure.New(failure.Usage, "", "reading the lock: %w", err)
	}
	l := Lock{Path: name, Format: Requirements}
	var bad []string
	refuse := func(at reqfile.Pos, format string, args ...any) {
		bad = append(bad, fmt.Sprintf("%s:%d:%d: ", at.Path, at.Line, at.Column)+fmt.Sprintf(format, args...))
	}
	for _, p := range set.Problems {
		refuse(p.Pos, "%s", p.Msg)
	}
	for _, it := range set.Items {
		if it.Constraint {
			continue // constraints install nothing
		}
		if it.Kind == reqfile.Option {
			l.option(it)
			continue
		}
		if why := unusable(it); why != "" {
			refuse(it.Pos, "%s: %s", it.Text, why)
			continue
		}
		v, _ := it.Requirement.Specifiers.Pinned()
		p := Package{
			Name: requirement.NormalizeName(it.Requirement.Name), Version: v, Extras: it.Requirement.Extras,
			Marker: it.Requirement.Marker, Main: true, Source: Source{Kind: FromIndex}, Path: it.Pos.Path, Line: it.Pos.Line, Column: it.Pos.Column,
		}
		hashes := it.Hashes
		if it.Requirement.URL != "" {
			var f File
			if p.Source, f, hashes = direct(it); len(f.Hashes) > 0 {
				p.Files = []File{f}
			}
		}
		for _, h := range hashes {
			p.Hashes = append(p.Hashes, Hash{h.Algorithm, h.Hex})
		}
		l.Packages = append(l.Packages, p)
	}
	if len(bad) > 0 {
		return Lock{}, failure.New(failure.Usage, "every line needs name==version and --hash: uv pip compile --generate-hashes requirements.in -o "+name,
			"reading the lock %s:\n%s", name, strings.Join(bad, "\n"))
	}
	return l, nil
}

func (l *Lock) option(it reqfile.Item) {
	switch it.Name {
	case "--index-url":
		l.IndexURL = it.Value
	case "--extra-index-url":
		l.ExtraIndexURLs = append(l.ExtraIndexURLs, it.Value)
	case "--find-links":
		l.FindLinks = append(l.FindLinks, it.Value)
	case "--no-index":
		l.NoIndex = true
	}
}

// direct is the file that "name @ URL" names. Its hash may stand in the URL's
// fragment, as pip reads it.
func direct(it reqfile.Item) (Source, File, []reqfile.Hash) {
	url, fragment, _ := strings.Cut(it.Requirement.URL, "#")
	hashes := it.Hashes
	for _, part := range strings.Split(fragment, "&") {
		if sum, ok := strings.CutPrefix(part, "sha256="); ok && len(hashes) == 0 && len(sum) == 64 {
			hashes = []reqfile.Hash{{Algorithm: "sha256", Hex: strings.ToLower(sum)}}
		}
	}
	f := File{Name: baseName(url), URL: url}
	for _, h := range hashes {
		f.Hashes = append(f.Hashes, Hash{h.Algorithm, h.Hex})
	}
	return Source{Kind: FromURL, URL: url}, f, hashes
}

// unusable says why an item cannot be part of a lock, or "".
func unusable(it reqfile.Item) string {
	switch it.Kind {
	case reqfile.Editable, reqfile.Local:
		return "local sources are not locked; the project itself comes from the context"
	case reqfile.VCS:
		return "a version-control reference has no hash; build a wheel of it and give it with --find-links"
	case reqfile.URL:
		return "a URL without a name; write: name @ URL --hash=sha256:…"
	case reqfile.Remote:
		return "a remote file is not locked"
	case reqfile.Ignored:
		return "pip ignores this"
	}
	if it.Requirement.URL != "" {
		return unusableURL(it)
	}
	v, ok := it.Requirement.Specifiers.Pinned()
	if !ok {
		return "not pinned to one version (==)"
	}
	if _, err := version.Parse(v); err != nil {
		return err.Error()
	}
	if len(it.Hashes) == 0 {
		return "no --hash"
	}
	for _, h := range it.Hashes {
		if h.Algorithm == "sha256" {
			return ""
		}
	}
	return "no sha256 among its hashes"
}

// unusableURL says why "name @ URL" cannot be part of a lock, or "".
func unusableURL(it reqfile.Item) string {
	_, f, _ := direct(it)
	switch {
	case !strings.HasPrefix(f.URL, "https://") && !strings.HasPrefix(f.URL, "http://"):
		return "not the address of a file on the web; build a wheel of it and give it with --find-links"
	case !strings.HasSuffix(f.Name, ".whl"):
		return "not a wheel; build one of it and give it with --find-links"
	case !slices.ContainsFunc(f.Hashes, func(h Hash) bool { return h.Algorithm == "sha256" }):
		return "no sha256 among its hashes"
	}
	return ""
}
