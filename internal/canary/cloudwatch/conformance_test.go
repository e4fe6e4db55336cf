//go:build conformance

package cloudwatch

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// TestConformanceCloudWatch: what AWS' own library puts into moto, which reads
// requests and writes answers by AWS' own description of the service, is counted
// to the last request: minutes without failures, which have no sum, and sums that
// come late among them.
func TestConformanceCloudWatch(t *testing.T) {
	bin, err := filepath.Abs("../../../.cache/conformance/monitoring/bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Skip("no moto: run make conformance, which installs it")
	}
	endpoint := moto(t, bin)
	order := orders(t, exec.Command(filepath.Join(bin, "python"), "testdata/put.py", endpoint))
	put := func(metric, group string, at, n int64) {
		if n > 0 {
			order(map[string]any{"metric": metric, "group": group, "at": at, "value": n})
		}
	}
	start := time.Now().Unix()/60*60 - 3600
	clock := &served{now: start + 13}
	cfg := config(endpoint)
	cfg.Transport, cfg.Now = clock, func() time.Time { return time.Unix(clock.now, 0) }
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if first, err := s.Sample(t.Context()); err != nil || !first.Origin {
		t.Fatalf("%+v %v", first, err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var sum, want seqtest.Counts
	const minutes = 12
	for minute := range int64(minutes + 4) {
		at := start + 60*(minute+1)
		if minute < minutes {
			for side, group := range []string{"blue", "green"} {
				c := []*seqtest.Cohort{&want.Baseline, &want.Canary}[side]
				n := 50 + r.Int64N(50)
				bad := max(0, r.Int64N(8)-4) * int64(side) // none of the baseline's, at all
				// A part of them is reported two minutes later.
				put("RequestCount", group, at+5, n-20)
				put("HTTPCode_Target_5XX_Count", group, at+5, bad)
				c.N, c.Bad = c.N+n, c.Bad+bad
				if minute >= 2 {
					put("RequestCount", group, at+5-120, 20)
				}
			}
		} else if minute < minutes+2 {
			for _, group := range []string{"blue", "green"} {
				put("RequestCount", group, at+5-120, 20)
			}
		}
		clock.now = at + 59
		got, err := s.Sample(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sum = sum.Plus(got.Counts[canary.Errors])
	}
	if sum != want || want.Canary.Bad == 0 {
		t.Errorf("counted %+v\nput     %+v", sum, want)
	}
	if n := order(map[string]any{"sum": "RequestCount", "group": "green", "from": start, "to": start + 3600}); n != fmt.Sprint(want.Canary.N) {
		t.Errorf("AWS' own library sums up %s, put were %d", n, want.Canary.N)
	}
	t.Logf("%+v", sum)
}

// served is the service's clock, put into its answers.
type served struct{ now int64 }

func (s *served) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		res.Header.Set("Date", time.Unix(s.now, 0).UTC().Format(http.TimeFormat))
	}
	return res, err
}

// moto starts AWS' double and returns its address.
func moto(t *testing.T, bin string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	cmd := exec.Command(filepath.Join(bin, "moto_server"), "-H", "127.0.0.1", "-p", port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 100 {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			c.Close()
			return "http://127.0.0.1:" + port
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Fatal("moto does not answer")
	return ""
}

// orders sends JSON lines to a program and returns its answers, line by line.
func orders(t *testing.T, cmd *exec.Cmd) func(any) string {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	return func(order any) string {
		t.Helper()
		if err := json.NewEncoder(in).Encode(order); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() {
			t.Fatal("the program ended")
		}
		return strings.TrimSpace(lines.Text())
	}
}
