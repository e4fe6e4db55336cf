//go:build conformance

package scrape

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/finding"
)

// venv installs the example's locked dependencies.
func venv(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "venv")
	for _, args := range [][]string{
		{"python3", "-m", "venv", dir},
		{filepath.Join(dir, "bin", "pip"), "install", "-q", "--require-hashes", "--only-binary", ":all:", "-r", filepath.Join(hello(t), "requirements.txt")},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%v: %v\n%s", args, err, out)
		}
	}
	return dir
}

func hello(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../../examples/hello")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// gunicorn starts the example with three workers and returns its address.
func gunicorn(t *testing.T, venv, failShare string, multiprocess bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	args := []string{"--bind", addr, "--workers", "3", "hello.wsgi:app"}
	env := append(os.Environ(), "PYTHONPATH="+filepath.Join(hello(t), "src"), "PYTHONDONTWRITEBYTECODE=1", "SECRET_KEY=x", "FAIL_SHARE="+failShare, "WEB_CONCURRENCY=3")
	if multiprocess {
		args = append([]string{"--config", "gunicorn.conf.py"}, args...)
		env = append(env, "PROMETHEUS_MULTIPROC_DIR="+t.TempDir())
	}
	cmd := exec.Command(filepath.Join(venv, "bin", "gunicorn"), args...)
	cmd.Env = env
	// gunicorn reads the gunicorn.conf.py of its folder unasked.
	cmd.Dir = t.TempDir()
	if multiprocess {
		cmd.Dir = hello(t)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	for range 100 {
		time.Sleep(100 * time.Millisecond)
		if res, err := http.Get("http://" + addr + "/healthz"); err == nil {
			res.Body.Close()
			return "http://" + addr
		}
	}
	t.Fatal("gunicorn does not answer")
	return ""
}

// load sends requests to all addresses in turn until the context ends, and
// returns how many were sent and how many of them failed.
func load(ctx context.Context, rate int, urls ...string) (sent, failed map[string]int64) {
	sent, failed = map[string]int64{}, map[string]int64{}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return sent, failed
		case <-tick.C:
		}
		for _, u := range urls {
			res, err := http.Get(u + "/")
			if err != nil {
				continue
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			sent[u]++
			if res.StatusCode >= 500 {
				failed[u]++
			}
		}
	}
}

// TestGunicorn judges real gunicorn applications with three workers each: the
// sums are those of the load, and workers without a shared registry are noticed.
func TestGunicorn(t *testing.T) {
	env := venv(t)
	good := gunicorn(t, env, "0", true)
	plan := canary.DefaultPlan()
	plan.Interval, plan.Deadline = time.Second, time.Minute
	for _, c := range []struct {
		share        string
		multiprocess bool
		verdict      finding.Verdict
		ended        canary.Ended
	}{
		{"0", true, finding.Pass, canary.EndedDecided},
		{"0.02", true, finding.Fail, canary.EndedDecided},
		{"0.02", false, finding.Inconclusive, canary.EndedRefused},
	} {
		t.Run(fmt.Sprintf("%s %v", c.share, c.multiprocess), func(t *testing.T) {
			other := gunicorn(t, env, c.share, c.multiprocess)
			s := newSource(t, Config{Baseline: []string{good}, Canary: []string{other}})
			for _, u := range []string{good, other} { // the counters exist from the first request on
				res, err := http.Get(u + "/")
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
			}
			ctx, cancel := context.WithCancel(t.Context())
			type counts struct{ sent, failed map[string]int64 }
			done := make(chan counts)
			watched := &watched{Source: s, origin: make(chan struct{})}
			go func() {
				<-watched.origin
				sent, failed := load(ctx, 150, good, other)
				done <- counts{sent, failed}
			}()
			rep, err := canary.Run(t.Context(), plan, watched, canary.Deps{})
			cancel()
			if err != nil || rep.Verdict != c.verdict || rep.Ended != c.ended {
				t.Errorf("%s %s: %s, %v", rep.Verdict, rep.Ended, rep.Reason, err)
			}
			t.Logf("%s: %s", rep.Headline(), rep.Reason)
			if c.ended == canary.EndedRefused {
				if !strings.Contains(rep.Reason, "PROMETHEUS_MULTIPROC_DIR") {
					t.Errorf("reason %q", rep.Reason)
				}
				watched.release()
				<-done
				return
			}
			load := <-done
			last, err := s.Sample(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			m := rep.Metrics[0]
			got := last.Counts[canary.Errors].Canary.Plus(m.Canary)
			if got.N != load.sent[other] || got.Bad != load.failed[other] {
				t.Errorf("counted %+v; sent %d, failed %d", got, load.sent[other], load.failed[other])
			}
			if base := last.Counts[canary.Errors].Baseline.Plus(m.Baseline); base.N != load.sent[good] || base.Bad != 0 {
				t.Errorf("baseline %+v; sent %d", base, load.sent[good])
			}
		})
	}
}

// watched tells when a source has its origin.
type watched struct {
	*Source
	once   sync.Once
	origin chan struct{}
}

func (w *watched) release() { w.once.Do(func() { close(w.origin) }) }

func (w *watched) Sample(ctx context.Context) (canary.Sample, error) {
	sample, err := w.Source.Sample(ctx)
	if sample.Origin {
		w.release()
	}
	return sample, err
}
