package pin

import (
	"regexp"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/pin/dockerfile"
)

// downloadRules are the rules about what ADD fetches.
var downloadRules = sync.OnceValue(func() []rule[dockerfile.Download] {
	return []rule[dockerfile.Download]{dockerAddGit(), dockerAddURL()}
})

func (c *checker) download(at place, d dockerfile.Download) {
	s := Subject{Kind: Tool, Name: d.URL, Ref: d.Raw, State: Pinned, By: "checksum"}
	if d.Git {
		s.By = "commit"
	}
	judge(c, at, &s, downloadRules(), d)
	c.add(at, s)
}

// commitID is a whole commit in SHA-1 or SHA-256.
var commitID = regexp.MustCompile(`^(?:[0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)
