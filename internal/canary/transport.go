package canary

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Transport sorts the error of an HTTP request, or of reading its answer, into
// the kinds of a [Problem], with a phrase for people. The phrase is empty where
// nothing more is known than what the error says itself; rest is that error
// without the address in front of it, which may hold credentials: what of its
// text is shown, and how long it may be, is the caller's to decide.
func Transport(err error, patience time.Duration) (kind, phrase string, rest error) {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var timeout interface{ Timeout() bool }
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &cert):
		return "tls", "its certificate is not trusted: " + cert.Err.Error(), err
	case errors.Is(err, http.ErrSchemeMismatch):
		return "tls", "it speaks http, not https", err
	case errors.As(err, &dns) && dns.IsNotFound:
		return "not-found", "the host name is not known", err
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout", fmt.Sprintf("no answer within %v", patience), err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "down", "the connection was closed", err
	}
	return "down", "", err
}
