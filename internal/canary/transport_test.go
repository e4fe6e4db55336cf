package canary_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

func TestTransport(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, c := range []struct {
		name         string
		err          error
		kind, phrase string
	}{
		{"no such host", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "shop.example", IsNotFound: true}}, "not-found", "the host name is not known"},
		{"a name server that fails", &net.DNSError{Err: "server misbehaving", Name: "shop.example"}, "down", ""},
		{"a name server that hangs", &net.DNSError{Err: "i/o timeout", Name: "shop.example", IsTimeout: true}, "timeout", "no answer within 3s"},
		{"the deadline", context.DeadlineExceeded, "timeout", "no answer within 3s"},
		{"a slow socket", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, "timeout", "no answer within 3s"},
		{"closed before the answer", io.EOF, "down", "the connection was closed"},
		{"closed within the answer", fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), "down", "the connection was closed"},
		{"refused", refused, "down", ""},
		{"another authority", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "tls", "its certificate is not trusted: x509: certificate signed by unknown authority"},
		{"http behind https", http.ErrSchemeMismatch, "tls", "it speaks http, not https"},
		{"anything else", errors.New("tls: handshake failure"), "down", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, err := range []error{c.err, &url.Error{Op: "Get", URL: "http://user:secret@shop.example/metrics", Err: c.err}} {
				kind, phrase, rest := canary.Transport(err, 3*time.Second)
				if kind != c.kind || phrase != c.phrase {
					t.Errorf("%v is %q, %q; want %q, %q", err, kind, phrase, c.kind, c.phrase)
				}
				if rest == nil || rest.Error() != c.err.Error() || strings.Contains(rest.Error(), "secret") {
					t.Errorf("the rest of %v is %v; want %v", err, rest, c.err)
				}
			}
		})
	}
}
