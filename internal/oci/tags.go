package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ErrUnsupported says that a registry does not offer what was asked of it.
var ErrUnsupported = errors.New("the registry does not offer it")

// Tags lists a repository's tags, all pages. A repository that is not there gives
// an error that Is ErrNotFound, a registry that lists none to anybody one that Is
// ErrUnsupported.
func (c *Client) Tags(ctx context.Context, repo string) ([]string, error) {
	r, err := c.repository(repo)
	if err != nil {
		return nil, err
	}
	tags, err := remote.List(r, c.with(ctx)...)
	if unsupported(err) {
		return nil, fmt.Errorf("listing the tags of %q: %w (%w)", repo, ErrUnsupported, err)
	}
	if err != nil {
		return nil, explain("listing the tags of", repo, r, err)
	}
	return tags, nil
}

// Delete removes a tag, or a manifest by its digest ("sha256:…") and with it all
// its tags. What is not there any more is no error. A registry that does not
// delete gives an error that Is ErrUnsupported.
func (c *Client) Delete(ctx context.Context, repo, reference string) error {
	r, err := c.repository(repo)
	if err != nil {
		return err
	}
	s, err := c.session(ctx, r, true)
	if err != nil {
		return explain("deleting from", repo, r, err)
	}
	resp, err := s.do(ctx, request{method: http.MethodDelete, url: s.at("/manifests/%s", reference), accept: []int{http.StatusOK, http.StatusAccepted, http.StatusNoContent}})
	var t *transport.Error
	switch {
	case err == nil:
		drop(resp)
		return nil
	case unsupported(err):
		return fmt.Errorf("deleting %q from %q: %w (%w)", reference, repo, ErrUnsupported, err)
	case errors.As(err, &t) && t.StatusCode == http.StatusNotFound:
		return nil
	}
	return explain("deleting from", repo, r, err)
}

// unsupported says that a registry does not do such a thing at all.
func unsupported(err error) bool {
	var t *transport.Error
	if !errors.As(err, &t) {
		return false
	}
	switch t.StatusCode {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	case http.StatusBadRequest: // a tag where the registry wants a digest
		return true
	}
	for _, d := range t.Errors {
		if d.Code == transport.UnsupportedErrorCode {
			return true
		}
	}
	return false
}
