package cli

import (
	"context"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// pinCheckCmd is the definition of pin-check.
type pinCheckCmd struct {
	Path []string `arg:"" optional:"" help:"Folders or files to check; the current folder if not given."`
}

func (c *pinCheckCmd) run(context.Context, *session) (*outcome, error) {
	return nil, failure.New(failure.Usage, "", "not here yet")
}
