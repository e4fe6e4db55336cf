// Package conform holds the differential tests of build-image against uv and
// pip: real applications' locks, the wheels that each of the three chooses for a
// target, and the trees that they install. They run with the build tag
// conformance (make conformance).
package conform
