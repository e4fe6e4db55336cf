package cli

import (
	"context"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// demoCmd is the definition of demo.
type demoCmd struct {
	Keep bool `help:"Keep the folder with everything that the demo made."`
}

func (c *demoCmd) run(context.Context, *session) (*outcome, error) {
	return nil, failure.New(failure.Usage, "", "not here yet")
}
