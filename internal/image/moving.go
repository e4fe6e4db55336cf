package image

import (
	"cmp"
	"strings"
)

// Moving is how far something has come, for people who watch. A thing is told
// with Done 0 before it begins, so that the sum of all is known.
type Moving struct {
	// Doing is "fetch" (wheels), "make" (layers) or "push" (blobs).
	Doing string
	// Name tells it from others: a wheel's file name, a blob's digest.
	Name string
	// Label is what people call it.
	Label string
	// Done and Size are in bytes; Size is 0 where it is not known.
	Done, Size int64
	Over       bool
}

func (b *builder) moving(m Moving) {
	if b.deps.Moving != nil {
		b.deps.Moving(m)
	}
}

// fetching tells of a wheel that is downloaded.
func fetching(file string, done, size int64) Moving {
	label, _, _ := strings.Cut(file, "-")
	return Moving{Doing: "fetch", Name: file, Label: label, Done: done, Size: size}
}

// pushing tells of a blob that is sent.
func (b *builder) pushing(digest string, done, size int64) {
	label := "config"
	for _, l := range b.result.Layers {
		if l.Digest != digest {
			continue
		}
		label = cmp.Or(l.From, "layer")
		if len(l.Wheels) == 1 {
			label, _, _ = strings.Cut(l.Wheels[0], "-")
		}
	}
	b.moving(Moving{Doing: "push", Name: digest, Label: label, Done: done, Size: size, Over: done >= size})
}
