package pin

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// each checks files on all processors, each with a checker of its own, whose
// answers come back in the files' order. Nothing but the answers is kept.
func (c *checker) each(ctx context.Context, files []source, check func(*checker, source)) ([]*checker, error) {
	out := make([]*checker, len(files))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range files {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			one := *c.run
			one.fsys = newMemo(c.fsys)
			sub := one.checker()
			check(sub, f)
			sub.run, sub.lines, sub.known, sub.said = nil, nil, nil, nil
			out[i] = sub
			return nil
		})
	}
	_ = g.Wait() // no function returns an error
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("checking pins: %w", err)
	}
	return out, nil
}

// join puts answers together. Several of them may be about one file that their
// own files include; of these, each thing is kept once.
func (c *checker) join(files []source, answers []*checker) {
	shared := map[string]bool{}
	subjects, findings := len(c.subjects), len(c.findings)
	for i, sub := range answers {
		for _, s := range sub.subjects {
			if s.Path != files[i].path {
				shared[s.Path] = true
			}
		}
		for _, f := range sub.findings {
			if f.Path != files[i].path {
				shared[f.Path] = true
			}
		}
		subjects, findings = subjects+len(sub.subjects), findings+len(sub.findings)
	}
	c.subjects = slices.Grow(c.subjects, subjects-len(c.subjects))
	c.findings = slices.Grow(c.findings, findings-len(c.findings))
	for i, sub := range answers {
		for _, s := range sub.subjects {
			if shared[s.Path] {
				c.list(s)
			} else {
				c.subjects = append(c.subjects, s)
			}
		}
		for _, f := range sub.findings {
			if shared[f.Path] {
				c.find(f)
			} else {
				c.findings = append(c.findings, f)
			}
		}
		c.adopt(sub)
		answers[i] = nil
	}
}

// adopt takes over what an answer says beside subjects and findings.
func (c *checker) adopt(sub *checker) {
	for _, g := range sub.ignores {
		if !c.seen[g.At.path] {
			c.ignores = append(c.ignores, g)
		}
	}
	for path := range sub.seen {
		c.seen[path] = true
	}
	for name, by := range sub.readers {
		c.readers[name] = append(c.readers[name], by...)
	}
	c.linked = append(c.linked, sub.linked...)
	c.asked.actions = append(c.asked.actions, sub.asked.actions...)
	c.asked.images = append(c.asked.images, sub.asked.images...)
	c.asked.python = append(c.asked.python, sub.asked.python...)
}

// context adds to findings which commands read their file.
func (c *checker) context() {
	for i := range c.findings {
		f := &c.findings[i]
		if by := c.readers[f.Path]; len(by) > 0 {
			f.Context = append(slices.Clip(f.Context), by[:min(len(by), 3)]...)
		}
	}
}
