//go:build !linux

package engine

import (
	"context"
	"errors"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Namespaces is the engine without an engine, which Linux alone has.
type Namespaces struct{ Engine }

// NewNamespaces says that there is none here.
func NewNamespaces(context.Context, string, func(context.Context, string) (v1.Image, error)) (*Namespaces, error) {
	return nil, errors.New("name spaces: this machine's kernel is not Linux")
}

// Close implements io.Closer.
func (*Namespaces) Close() error { return nil }

// InitMain does nothing: no container of ours runs here.
func InitMain([]string) bool { return false }
