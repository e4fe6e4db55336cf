package image

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/failure"
)

func (b *builder) engine(ctx context.Context, name string) (engine.Engine, error) {
	if b.deps.Engine == nil {
		return nil, failure.New(failure.Usage, "install podman or docker", "no engine is at hand")
	}
	return b.deps.Engine(ctx, name)
}

func (b *builder) test(ctx context.Context, images map[string]v1.Image) error { return nil }
