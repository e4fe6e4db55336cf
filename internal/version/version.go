// Package version holds the one version constant. It is a source constant and
// never set by the linker, so that a release's binary can be rebuilt to the
// same bytes from any commit that carries it.
package version

// Version is the semantic version of this source tree; "-dev" between releases.
const Version = "0.1.0-dev"
