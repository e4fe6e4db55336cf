package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// ErrNotFound says that a registry answered and does not have what was asked for.
var ErrNotFound = errors.New("not found")

// ErrNotIndex says that a reference names a single image, not an index.
var ErrNotIndex = errors.New("not an image index")

func missing(err error) bool {
	var t *transport.Error
	return errors.As(err, &t) && (t.StatusCode == http.StatusNotFound || t.StatusCode == http.StatusMethodNotAllowed)
}

// explain turns an error of the registry's client into one for people: what was
// done, to which repository, whether trying again helps, and what to do.
func explain(doing, what string, repo name.Repository, err error) error {
	var known *failure.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s %q: %w", doing, what, err)
	}
	if errors.Is(err, errPlainHTTP) {
		return failure.New(failure.Usage, "give the registry TLS, or allow plain HTTP to it explicitly", "%s %q: %w", doing, what, err)
	}
	var t *transport.Error
	if !errors.As(err, &t) {
		return failure.New(failure.Service, "check the registry's name and that it is reachable from here, then run again",
			"%s %q: registry %q did not answer: %w", doing, what, repo.RegistryStr(), err)
	}
	switch t.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return failure.New(failure.Answer,
			fmt.Sprintf("log in first: docker login %s (or podman login); the account or token needs access to %s", repo.RegistryStr(), repo.RepositoryStr()),
			"%s %q: registry %q refuses the credentials for repository %q: %w", doing, what, repo.RegistryStr(), repo.RepositoryStr(), err)
	case http.StatusNotFound:
		return failure.New(failure.Answer, "check the name, and that the account may see it: registries answer so for private repositories too",
			"%s %q: %w in registry %q: %w", doing, what, ErrNotFound, repo.RegistryStr(), err)
	case http.StatusTooManyRequests, http.StatusRequestTimeout:
		return failure.New(failure.Service, "wait, then run again; logging in usually raises the limit",
			"%s %q: registry %q turned the request away after retries: %w", doing, what, repo.RegistryStr(), err)
	}
	if t.StatusCode >= http.StatusInternalServerError {
		return failure.New(failure.Service, "run again later: what was sent so far is not referenced by any tag",
			"%s %q: registry %q failed after retries: %w", doing, what, repo.RegistryStr(), err)
	}
	return failure.New(failure.Answer, "", "%s %q: registry %q refuses it: %w", doing, what, repo.RegistryStr(), err)
}
