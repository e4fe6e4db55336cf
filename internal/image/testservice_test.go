package image

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/failure"
)

func TestParseService(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	s, err := ParseService(`postgres=reg.example/pg` + digest + ` POSTGRES_PASSWORD=x 'OPTS=a b'`)
	if err != nil || s.Name != "postgres" || s.Image != "reg.example/pg"+digest || s.Env["OPTS"] != "a b" || s.Env["POSTGRES_PASSWORD"] != "x" {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range []string{"", "postgres", "reg.example/pg" + digest, "pg=reg.example/pg:15", "pg=reg.example/pg@sha256:abc", "Pg=x" + digest, "pg=x" + digest + " word", "pg=x" + digest + " 'open"} {
		if _, err := ParseService(bad); failure.CodeOf(err) != failure.Usage {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestServicesShareOneNetwork(t *testing.T) {
	s := &services{}
	if n := s.network(""); n != engine.NetworkNone {
		t.Errorf("the first service gets %q, want no network but loopback", n)
	}
	s.started = []engine.Container{{ID: "abc"}}
	if n := s.network(engine.NetworkNone); n != "container:abc" {
		t.Errorf("the tests get %q", n)
	}
	if n := s.network(engine.NetworkHost); n != engine.NetworkHost {
		t.Errorf("asked for the host's network, the tests get %q", n)
	}
}

// The report stands behind a mark that output cannot contain by chance, and all
// else is passed on, however it is cut into writes.
func TestReportIsTakenFromTheOutput(t *testing.T) {
	const text = `<testsuite><testcase name="a"/></testsuite>`
	whole := "first\nmark\nmark:no\n..mark:x\n\nmark:" + base64.StdEncoding.EncodeToString([]byte(text)) + "\nlast"
	whole = strings.Replace(whole, "mark:no", "marx:no", 1)
	for size := 1; size < 9; size++ {
		var out bytes.Buffer
		s := &splitter{to: &out, mark: []byte("mark:")}
		for rest := []byte(whole); len(rest) > 0; {
			n := min(size, len(rest))
			if k, err := s.Write(rest[:n]); k != n || err != nil {
				t.Fatal(k, err)
			}
			rest = rest[n:]
		}
		r, data, err := s.report()
		if err != nil || r.Tests != 1 || string(data) != text || out.String() != "first\nmark\nmarx:no\n..mark:x\n\nlast" {
			t.Errorf("writes of %d: %v, %v, %q, passed on %q", size, err, r, data, out.String())
		}
	}
	command, mark := reported([]string{"/app/.venv/bin/pytest", "-q"})
	if command[len(command)-1] != "--junitxml="+junitPath || command[3] != mark {
		t.Errorf("command %q", command)
	}
	if command, _ := reported([]string{"make", "test"}); command[len(command)-1] != "test" {
		t.Errorf("command %q", command)
	}
}
