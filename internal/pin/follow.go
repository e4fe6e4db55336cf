package pin

import (
	"io/fs"
	"path"
)

// follow notes that a file of the tree is read by another one, which says what it
// is: it is checked whatever its name. What is not there is made by somebody
// else.
func (c *checker) follow(from, name string, kind fileKind) {
	whole := path.Join(path.Dir(from), name)
	if path.IsAbs(name) || !fs.ValidPath(whole) || c.paths[whole] || !c.there(whole) {
		return
	}
	c.linked = append(c.linked, source{whole, kind})
}

// fresh are the linked files that were not checked yet, those of requirements
// apart.
func (c *checker) fresh() (python, others []source) {
	for _, f := range c.linked {
		switch {
		case c.paths[f.path]:
			continue
		case f.kind == kindRequirements || f.kind == kindConstraints:
			python = append(python, f)
		case len(c.paths) < c.cfg.MaxFiles:
			others = append(others, f)
		}
		c.paths[f.path] = true
	}
	c.linked = nil
	return python, others
}
