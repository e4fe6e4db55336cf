// Package conform holds the differential tests of our reading of versions,
// specifiers, markers, requirements and requirements files against
// pypa/packaging and pip. They run with the build tag conformance (make
// conformance).
package conform
