//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// fourHaproxy splits the traffic between two instances of each release. Requests
// to one that is being restarted go to the other.
const fourHaproxy = `
global
  maxconn 2000
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response
frontend users
  bind 127.0.0.1:%d
  use_backend canary if { rand(100) lt 50 }
  default_backend baseline
backend baseline
  http-after-response set-header x-release baseline
  server one 127.0.0.1:%d
  server two 127.0.0.1:%d
backend canary
  http-after-response set-header x-release canary
  server one 127.0.0.1:%d
  server two 127.0.0.1:%d
`

// TestCanaryDirect judges releases of two instances each by their /metrics pages
// alone: a good one, one that has a bad instance, and a good one while the baseline's
// instances are restarted one after the other.
func TestCanaryDirect(t *testing.T) {
	s := shopParts(t, shopPython(t))
	sides := []string{"baseline", "baseline two", "canary", "canary two"}
	var ports []any
	ports = append(ports, s.ports["front"])
	for _, side := range sides {
		if s.ports[side] == 0 {
			s.ports[side] = freePort(t)
		}
		ports = append(ports, s.ports[side])
	}
	s.start(t, "haproxy", nil, "haproxy", "-db", "-f", s.write(t, "haproxy.cfg", fmt.Sprintf(fourHaproxy, ports...)))
	stops := map[string]func(){}
	again := func(side string, env ...string) {
		if stop := stops[side]; stop != nil {
			stop()
		}
		stops[side] = s.release(t, side, append([]string{"FAIL_SHARE=0.005"}, env...)...)
	}
	for _, side := range sides {
		again(side)
	}
	load := s.users(100)
	gate := func(more ...string) gateReport {
		// Errors only: starting is slow, and on a busy machine response times take long to pass.
		args := append([]string{"canary-gate", "--format", "json", "--interval", "1s", "--deadline", "3m", "--margin", "1", "--latency-metric", "none"}, more...)
		for _, side := range sides {
			args = append(args, "--"+strings.Fields(side)[0], s.direct(side))
		}
		r := fairlead(t, s.dir, args...)
		if !strings.HasPrefix(strings.TrimSpace(r.stdout), "{") {
			t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
		return decode[gateReport](t, r.stdout)
	}
	good := gate()
	if good.Verdict != "pass" {
		t.Errorf("a good release: %s, %s", good.Verdict, good.Reason)
	}
	again("canary two", "FAIL_SHARE=0.12")
	bad := gate()
	if bad.Verdict != "fail" {
		t.Errorf("one bad instance: %s, %s", bad.Verdict, bad.Reason)
	}
	again("canary two")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, side := range sides[:2] {
			time.Sleep(8 * time.Second)
			again(side)
		}
	}()
	rolling := gate("--min-duration", "45s")
	<-done
	told := 0
	for _, n := range rolling.Notes { // pages of several workers do not say when these started
		if strings.Contains(n, "baseline") && strings.Contains(n, "fell back (restart?)") {
			told++
		}
	}
	if rolling.Verdict != "pass" || told != 2 {
		t.Errorf("while the baseline restarts: %s, %s; %d restarts in %q", rolling.Verdict, rolling.Reason, told, rolling.Notes)
	}
	load.stop()
	for name, r := range map[string]gateReport{"good": good, "one bad instance": bad, "rolling restart": rolling} {
		t.Logf("%s: %s after %.0f s: %s", name, r.Verdict, r.After, r.Reason)
		for _, m := range r.Metrics {
			t.Logf("%s: %s", m.Verdict, m.Why)
		}
		for _, p := range r.Problems {
			t.Logf("problem: %s", p.Message)
		}
	}
}
