package pin

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// fixRequirement writes the version that would be installed today in place of a
// range, and with hash the hashes of all its files.
func (c *checker) fixRequirement(p askedRequirement, hash bool, f *fixed) (*finding.Fix, error) {
	got := c.answers.releases[requirement.NormalizeName(p.req.Name)]
	switch {
	case errors.Is(got.err, ErrNotKnown):
		return nil, ErrNotKnown // which requirement is said with it
	case got.err != nil:
		return nil, got.err
	}
	best, err := choose(p, got.value)
	if err != nil {
		return nil, err
	}
	written := p.text
	if p.set == "" { // uvx writes tool@version, which the reader turned around
		written, _, _ = strings.Cut(p.text, "==")
		if len(p.req.Specifiers) > 0 {
			written = p.text
		}
	}
	at, err := f.find(p.at, written)
	if err != nil {
		return nil, err
	}
	text := written
	if _, pinned := exact(p.req); !pinned && !p.named {
		if text, err = withVersion(written, best.Version); err != nil {
			return nil, err
		}
		if p.set == "" && uvxTool(f.data[:at]) {
			text = strings.Replace(text, "==", "@", 1)
		}
	}
	end := at + len(written)
	if hash && len(p.hashes) == 0 {
		if hashBehind(f.data[end:]) {
			return nil, errors.New("the hash that is written is none; take it out first")
		}
		if len(best.Hashes) == 0 {
			return nil, fmt.Errorf("the index has no hashes for %s %s", p.req.Name, best.Version)
		}
		newline := "\n"
		if bytes.Contains(f.data, []byte("\r\n")) {
			newline = "\r\n"
		}
		for _, h := range slices.Sorted(slices.Values(best.Hashes)) {
			text += " \\" + newline + "    --hash=" + h
		}
	}
	if text == written {
		return nil, errWritten
	}
	return &finding.Fix{
		Description: "write " + p.req.Name + "==" + best.Version,
		Edits:       []finding.Edit{{Path: p.at.path, Start: at, End: end, Text: text}},
	}, nil
}

var restOfLine = regexp.MustCompile(`^(?:[^\\\r\n]|\\\r?\n|\\.)*`)

// hashBehind says whether a --hash stands in the rest of a line and in those that
// continue it, one that pip did not take.
func hashBehind(rest []byte) bool {
	return bytes.Contains(restOfLine.Find(rest[:min(len(rest), 64<<10)]), []byte("--hash"))
}

// choose is the newest release that a requirement admits: no yanked one unless it
// is named, a pre-release only where the requirement names one or there is no
// other. Where hashes are written, they decide.
func choose(p askedRequirement, releases []Release) (Release, error) {
	var best, early Release
	var bestV, earlyV version.Version
	for _, r := range releases {
		v, err := version.Parse(r.Version)
		_, named := exact(p.req)
		if err != nil || r.Yanked && !named || !p.req.Specifiers.Contains(v, true) {
			continue
		}
		if len(p.hashes) > 0 && !slices.ContainsFunc(p.hashes, func(h string) bool { return slices.Contains(r.Hashes, h) }) {
			continue
		}
		if !p.req.Specifiers.Contains(v, false) {
			if early.Version == "" || v.Compare(earlyV) > 0 {
				early, earlyV = r, v
			}
			continue
		}
		if best.Version == "" || v.Compare(bestV) > 0 {
			best, bestV = r, v
		}
	}
	switch {
	case best.Version != "":
		return best, nil
	case early.Version != "":
		return early, nil
	case len(p.hashes) > 0:
		return Release{}, fmt.Errorf("no release has the hashes that are written")
	}
	return Release{}, fmt.Errorf("no release fits %q", p.req.Specifiers.String())
}

// nameAndRest divides a requirement at its specifiers and its marker.
var nameAndRest = regexp.MustCompile(`^(\s*[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\s*\[[^\]]*\])?)\s*(\([^()]*\)|[^;(]*?)(\s*;.*)?$`)

// withVersion puts a version in the place of a requirement's specifiers.
func withVersion(text, v string) (string, error) {
	m := nameAndRest.FindStringSubmatch(text)
	if m == nil {
		return "", errWritten
	}
	out := m[1] + "==" + v + m[3]
	req, err := requirement.Parse(out)
	if got, ok := exact(req); err != nil || !ok || got != v {
		return "", errWritten
	}
	return out, nil
}

var afterOption = regexp.MustCompile(`(?:--from|--with|\s-w)[=\s]['"]?$`)
var uvxCommand = regexp.MustCompile(`(?:\buvx|\buv\s+tool\s+run)\s[^\n;&|]*$`)

// uvxTool says whether what stands behind these bytes is the tool of a uvx
// command, which takes tool@version.
func uvxTool(before []byte) bool {
	tail := before[max(0, len(before)-400):]
	return uvxCommand.Match(tail) && !afterOption.Match(tail)
}
