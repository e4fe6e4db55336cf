package image

import "github.com/fairlead-ci/fairlead/internal/image/base"

type project struct{ notes []string }

func readProject(t *tree) (*project, string, error) { return nil, "", nil }

func (p *project) install(t *tree, f base.Facts) (*application, error) { return nil, nil }
