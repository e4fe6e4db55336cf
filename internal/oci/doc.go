// Package oci is Fairlead's door to container images at rest: registries (pull,
// push, tag), OCI layouts and docker archives. It is the only importer of
// go-containerregistry's remote package, so that credentials, plain HTTP,
// retries and the wording of errors are settled in one place.
//
// Specifications: OCI distribution 1.1, OCI image 1.1 (manifest, index, layout).
package oci
