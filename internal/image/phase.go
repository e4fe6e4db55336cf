package image

import (
	"fmt"
	"time"

	"github.com/fairlead-ci/fairlead/internal/oci"
)

// stopwatch measures the phases of a build.
type stopwatch struct {
	since time.Time
	at    oci.Stats
	down  int64
}

// phase ends a phase: it is entered into the result, and told in one line.
func (b *builder) phase(name, format string, args ...any) {
	now, stats, down := b.deps.Now(), oci.Stats{}, int64(0)
	if b.deps.Registry != nil {
		stats = b.deps.Registry.Stats()
	}
	if b.store != nil {
		down = b.store.down
	}
	p := Phase{Name: name, Seconds: now.Sub(b.watch.since).Seconds(), Requests: stats.Requests - b.watch.at.Requests,
		BytesUp: stats.BytesUp - b.watch.at.BytesUp, BytesDown: stats.BytesDown - b.watch.at.BytesDown + down - b.watch.down}
	b.watch = stopwatch{now, stats, down}
	b.result.Phases = append(b.result.Phases, p)
	b.deps.say("%s: %s (%.1f s, %s, %s up, %s down)", name, fmt.Sprintf(format, args...), p.Seconds, plural(int(p.Requests), "request", "requests"), quantity(p.BytesUp), quantity(p.BytesDown))
}

// quantity is a number of bytes for people.
func quantity(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
