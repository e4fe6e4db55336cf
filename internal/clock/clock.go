// Package clock waits: the one place where time passes by itself. Whoever needs
// to wait takes a function of this form, so that tests need not.
package clock

import (
	"context"
	"time"
)

// Sleep waits for d, or less when the context ends: then it returns its error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
