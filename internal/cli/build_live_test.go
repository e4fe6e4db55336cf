package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/image"
)

func TestBuildLive(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	l := newBuildLive(&out, func() time.Time { now = now.Add(time.Second); return now })
	fetch := func(name string, done, size int64, over bool) image.Moving {
		return image.Moving{Doing: "fetch", Name: name, Label: strings.TrimSuffix(name, ".whl"), Done: done, Size: size, Over: over}
	}
	l.moving(fetch("numpy.whl", 0, 16_000_000, false))
	l.moving(fetch("flask.whl", 0, 0, false))
	l.moving(fetch("numpy.whl", 8_000_000, 16_000_000, false))
	l.moving(fetch("flask.whl", 100_000, 100_000, true))
	if got, want := l.line(110), "build-image: fetch: 1 of 2 wheels, 8.1 MB of 16.1 MB · numpy 50 %"; got != want {
		t.Errorf("line %q\nwant %q", got, want)
	}
	l.moving(fetch("numpy.whl", 16_000_000, 16_000_000, true))
	l.moving(image.Moving{Doing: "make", Name: "k", Label: "num\x1bpy", Size: 1})
	if got := l.line(110); !strings.Contains(got, "2 of 2 wheels") || !strings.HasSuffix(got, "making num") && strings.Contains(got, "\x1b") {
		t.Errorf("line %q", got)
	}
	if got := []rune(l.line(40)); len(got) != 40 || got[39] != '…' {
		t.Errorf("line %q", string(got))
	}
	l.logf("build-image: fetch: %d wheels", 2)
	if !strings.HasSuffix(out.String(), "\r\x1b[Kbuild-image: fetch: 2 wheels\n") {
		t.Errorf("output %q", out.String())
	}
	// What is pushed has a line of its own.
	l.moving(image.Moving{Doing: "push", Name: "sha256:1", Label: "numpy", Done: 1, Size: 10})
	if got, want := l.line(110), "build-image: push: 0 of 1 blob, 1 bytes of 10 bytes · numpy 10 %"; got != want {
		t.Errorf("line %q\nwant %q", got, want)
	}
	l.end()
	n := out.Len()
	l.end()
	if out.Len() != n {
		t.Error("the line was taken away twice")
	}
}
