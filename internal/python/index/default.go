package index

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/osv-scalibr/clients/datasource"
)

// recorder notes the address of a request and sends nothing.
type recorder struct{ url string }

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.url = req.URL.String()
	return nil, errors.New("not sent")
}

// DefaultURL is the index that Python tools use when nothing is configured, as
// osv-scalibr knows it; it is not written down here. No request is sent.
func DefaultURL() (string, error) {
	rec := &recorder{}
	c, err := datasource.NewPyPIRegistryAPIClient("", "", &http.Client{Transport: rec})
	if err != nil {
		return "", fmt.Errorf("finding the default index: %w", err)
	}
	_, _ = c.GetIndex(context.Background(), "x")
	base, ok := strings.CutSuffix(rec.url, "/x/")
	if !ok {
		return "", fmt.Errorf("finding the default index: unexpected address %q", rec.url)
	}
	return base, nil
}
