// Package github reports to GitHub: check runs, commit statuses, one comment on
// a pull request, deployments. It is the only importer of go-github.
//
// Every call is retried within a budget, and a call that creates something is
// never repeated blindly: what an answer that got lost may have made is looked
// for first. A token that may not do something is an ErrForbidden that names
// the permission, so that callers can do without.
package github
