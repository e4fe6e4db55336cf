package workflow

import (
	"path"
	"strings"

	"go.yaml.in/yaml/v4"
)

// checkouts maps folders of the workspace to the foreign repository that a step
// has checked out there; "" is our own.
type checkouts map[string]string

// note records what a step that uses actions/checkout puts where.
func (c checkouts) note(r *reader, ref string, step *yaml.Node) {
	name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(ref)), "@")
	if name != "actions/checkout" || c == nil {
		return
	}
	folder, repository := ".", ""
	for _, with := range r.get(step, "with") {
		for _, p := range r.pairs(with) {
			switch p.key {
			case "path":
				folder = path.Clean(p.value.Value)
			case "repository":
				repository = strings.TrimSpace(p.value.Value)
			}
		}
	}
	if strings.Join(strings.Fields(repository), "") == "${{github.repository}}" {
		repository = ""
	}
	c[folder] = repository
}

// owner is the foreign repository that a local reference is taken from: that of
// the deepest folder around it.
func (c checkouts) owner(ref string) string {
	for dir := path.Clean(ref); ; dir = path.Dir(dir) {
		if repository, ok := c[dir]; ok {
			return repository
		}
		if dir == "." || dir == "/" || dir == ".." {
			return ""
		}
	}
}
