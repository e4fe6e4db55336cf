package pin

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

// tagged is an image with the tag that is meant when none is written.
func tagged(ref string) string {
	if imageTag(ref) == "" && !strings.Contains(ref, "@") {
		return ref + ":latest"
	}
	return ref
}

// fixImage adds an image's digest behind its tag, where the image or the default
// of its variable is written.
func (c *checker) fixImage(i askedImage, f *fixed) (*finding.Fix, error) {
	got := c.answers.digests[tagged(i.use.ref)]
	if got.err != nil {
		return nil, got.err
	}
	if err := digestProblem(got.value); err != nil {
		return nil, fmt.Errorf("the answer %q is no digest: %w", got.value, err)
	}
	at, err := f.find(i.at, i.use.ref)
	if err != nil {
		if at, err = f.argument(i.use); err != nil {
			return nil, err
		}
	}
	pinned := tagged(i.use.ref) + "@" + got.value
	return &finding.Fix{
		Description: "add the digest that " + tagged(i.use.ref) + " has today",
		Edits:       []finding.Edit{{Path: i.at.path, Start: at, End: at + len(i.use.ref), Text: pinned}},
	}, nil
}

var wholeVariable = regexp.MustCompile(`^\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))$`)

// argument is where the default of the ARG that an image is made of stands.
func (f *fixed) argument(u imageUse) (int, error) {
	m := wholeVariable.FindStringSubmatch(u.raw)
	if m == nil {
		return 0, errWritten
	}
	arg := regexp.MustCompile(`(?mi)^[ \t]*ARG[ \t]+` + m[1] + m[2] + `=["']?(` + regexp.QuoteMeta(u.ref) + `)["']?[ \t]*\r?$`)
	found := arg.FindAllSubmatchIndex(f.data, -1)
	if len(found) != 1 {
		return 0, errWritten
	}
	return found[0][2], nil
}
