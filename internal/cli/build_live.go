package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/image"
)

// buildLive is one line on a terminal that says how far a build has come: in
// sum, and of each wheel and blob that is moving. What stays is written above it.
type buildLive struct {
	out io.Writer
	now func() time.Time

	mu    sync.Mutex
	doing string
	order []string
	all   map[string]image.Moving
	drawn time.Time
	shown bool
}

// liveEvery is how often the line is drawn again, liveWidth its length.
const (
	liveEvery = 80 * time.Millisecond
	liveWidth = 110
)

func newBuildLive(out io.Writer, now func() time.Time) *buildLive {
	return &buildLive{out: out, now: now, all: map[string]image.Moving{}}
}

// moving takes in how far something has come.
func (l *buildLive) moving(m image.Moving) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.Doing != "make" && m.Doing != l.doing { // layers are made while wheels come
		l.doing, l.order, l.all = m.Doing, nil, map[string]image.Moving{}
	}
	key := m.Doing + " " + m.Name
	before, known := l.all[key]
	if !known {
		l.order = append(l.order, key)
	}
	if m.Size == 0 {
		m.Size = before.Size
	}
	l.all[key] = m
	if now := l.now(); now.Sub(l.drawn) >= liveEvery || m.Over && !before.Over && now.Sub(l.drawn) >= liveEvery/4 {
		l.drawn = now
		l.draw()
	}
}

func (l *buildLive) draw() {
	_, _ = fmt.Fprintf(l.out, "\r\x1b[K%s", l.line(liveWidth))
	l.shown = true
}

// line is what is known now, in at most so many characters.
func (l *buildLive) line(width int) string {
	over, count, made := 0, 0, 0
	var done, size int64
	var busy []string
	for _, key := range l.order {
		m := l.all[key]
		if m.Doing == "make" {
			if made++; !m.Over {
				busy = append(busy, "making "+m.Label)
			}
			continue
		}
		count++
		done, size = done+m.Done, size+max(m.Size, m.Done)
		switch {
		case m.Over:
			over++
		case m.Done > 0 && m.Size > 0:
			busy = append(busy, fmt.Sprintf("%s %d %%", m.Label, m.Done*100/m.Size))
		case m.Done > 0:
			busy = append(busy, fmt.Sprintf("%s %s", m.Label, megabytes(m.Done)))
		}
	}
	var parts []string
	if count > 0 {
		what := map[string]string{"fetch": "wheel", "push": "blob"}[l.doing]
		parts = append(parts, fmt.Sprintf("%s: %d of %s, %s of %s", l.doing, over, finding.Plural(count, what), megabytes(done), megabytes(size)))
	} else if made > 0 {
		parts = append(parts, fmt.Sprintf("assemble: %s", finding.Plural(made, "layer")))
	}
	text := []rune(finding.Printable("build-image: " + strings.Join(append(parts, busy...), " · ")))
	if len(text) > width {
		text = append(text[:width-1], '…')
	}
	return string(text)
}

// logf writes a line that stays.
func (l *buildLive) logf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	_, _ = fmt.Fprintf(l.out, format+"\n", args...)
	l.order, l.all, l.doing = nil, map[string]image.Moving{}, ""
}

// Write puts the output of tests above the line.
func (l *buildLive) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	return l.out.Write(p)
}

// end leaves nothing of the line.
func (l *buildLive) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
}

func (l *buildLive) clear() {
	if l.shown {
		_, _ = io.WriteString(l.out, "\r\x1b[K")
		l.shown = false
	}
}
