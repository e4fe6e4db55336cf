package github

import (
	"errors"
	"strings"
	"testing"
)

func TestEnded(t *testing.T) {
	c, srv, _ := world(t)
	srv.SetRun(101, "")
	srv.SetRun(102, "cancelled")
	for run, want := range map[string]string{"101": "", "102": "cancelled", "local-9f": "", "": ""} {
		if got, err := c.Ended(t.Context(), run); got != want || err != nil {
			t.Errorf("%q: %q, %v", run, got, err)
		}
	}
	_, err := c.Ended(t.Context(), "103")
	var no *ErrForbidden
	if !errors.As(err, &no) || !strings.Contains(err.Error(), "actions: read") {
		t.Errorf("a run that the token may not see: %v", err)
	}
}
