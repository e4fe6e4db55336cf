package image

import (
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
