package pin

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fairlead-ci/fairlead/internal/pin/command"
)

// each checks files on all processors, each with a checker of its own, whose
// answers come back in the files' order. Nothing but the answers is kept.
func (c *checker) each(ctx context.Context, files []source, check func(*checker, source)) ([]*checker, error) {
	out := make([]*checker, len(files))
	var next atomic.Int64
	var g sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		g.Go(func() {
			shell := &command.Reader{}
			for i := next.Add(1) - 1; int(i) < len(files) && ctx.Err() == nil; i = next.Add(1) - 1 {
				one := *c.run
				one.fsys, one.shell = newMemo(c.fsys), shell
				sub := one.checker()
				check(sub, files[i])
				sub.run, sub.lines = nil, nil
				out[i] = sub
			}
		})
	}
	g.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("checking pins: %w", err)
	}
	return out, nil
}

// join puts answers together.
func (c *checker) join(answers []*checker) {
	subjects, findings := 0, 0
	for _, sub := range answers {
		subjects, findings = subjects+len(sub.subjects), findings+len(sub.findings)
	}
	c.subjects, c.findings = slices.Grow(c.subjects, subjects), slices.Grow(c.findings, findings)
	for i, sub := range answers {
		c.subjects, c.findings = append(c.subjects, sub.subjects...), append(c.findings, sub.findings...)
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
	c.resolved = append(c.resolved, sub.resolved...)
	c.asked.actions = append(c.asked.actions, sub.asked.actions...)
	c.asked.images = append(c.asked.images, sub.asked.images...)
	c.asked.python = append(c.asked.python, sub.asked.python...)
	c.asked.sets = append(c.asked.sets, sub.asked.sets...)
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
