package canary

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

func even(rps float64) seqtest.Traffic { return seqtest.Traffic{Canary: rps, Baseline: rps} }

// whole is steady, exact traffic: n and bad per second on each side.
func whole(n, canaryBad, baseBad int64) func(float64, float64) (Sample, error) {
	return func(_, window float64) (Sample, error) {
		w := int64(math.Round(window))
		return errorCounts(seqtest.Cohort{N: n * w, Bad: canaryBad * w}, seqtest.Cohort{N: n * w, Bad: baseBad * w}), nil
	}
}

func TestNoTrafficIsNoVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		canary, baseline int64
		words            string
	}{
		"canary":   {0, 300, "the canary gets no traffic"},
		"baseline": {300, 0, "the baseline gets no traffic"},
		"both":     {0, 0, "no traffic on either side"},
	} {
		t.Run(name, func(t *testing.T) {
			rep := play(t, demoPlan(), func(float64, float64) (Sample, error) {
				return errorCounts(seqtest.Cohort{N: c.canary}, seqtest.Cohort{N: c.baseline}), nil
			})
			expect(t, rep, finding.Inconclusive, EndedDeadline, "INCONCLUSIVE after 2 min", c.words)
		})
	}
	t.Run("a metric the source does not know", func(t *testing.T) {
		plan := demoPlan()
		plan.Metrics[0].Name = "refunds"
		expect(t, play(t, plan, whole(300, 0, 0)), finding.Inconclusive, EndedDeadline, "no traffic on either side")
	})
}

func TestGlobalOutageIsNoPass(t *testing.T) {
	rep := play(t, demoPlan(), whole(100, 100, 100))
	expect(t, rep, finding.Inconclusive, EndedDeadline, "the baseline itself is broken (errors 100 %)")
	if rep.Metrics[0].Verdict != finding.Inconclusive {
		t.Errorf("metric verdict %s", rep.Metrics[0].Verdict)
	}
}

func TestSourceThatNeverAnswers(t *testing.T) {
	rep := play(t, demoPlan(), func(float64, float64) (Sample, error) {
		return Sample{}, &Problem{Kind: "down", Cohort: "canary", Where: "http://c:1/metrics", Detail: "connection refused"}
	})
	expect(t, rep, finding.Inconclusive, EndedNoStart,
		"the source never answered: canary http://c:1/metrics: connection refused", "(at 61 looks)")
	if rep.DecidedAfterSeconds != 60 {
		t.Errorf("after %v s", rep.DecidedAfterSeconds)
	}
}

func TestOutageOfTheSourceInTheMiddle(t *testing.T) {
	steady := whole(300, 0, 0)
	rep := play(t, demoPlan(), func(elapsed, window float64) (Sample, error) {
		if elapsed >= 2 && elapsed < 40 {
			return Sample{}, errors.New("the line is dead")
		}
		return steady(elapsed, window)
	})
	expect(t, rep, finding.Pass, EndedDecided, "(at 38 looks)")
	if rep.DecidedAfterSeconds < 40 {
		t.Errorf("a verdict after %v s, while nothing was seen", rep.DecidedAfterSeconds)
	}
	// The gap is one long tick: nothing is lost.
	if n := rep.Metrics[0].Canary.N; n != int64(300*rep.DecidedAfterSeconds) {
		t.Errorf("canary n = %d", n)
	}
	dead := play(t, demoPlan(), func(elapsed, window float64) (Sample, error) {
		if elapsed >= 2 {
			return Sample{}, errors.New("the line is dead")
		}
		return steady(elapsed, window)
	})
	expect(t, dead, finding.Inconclusive, EndedDeadline, "not enough evidence", "the line is dead")
}

func TestRefusedSource(t *testing.T) {
	rep := play(t, demoPlan(), func(elapsed, window float64) (Sample, error) {
		if elapsed >= 3 {
			return Sample{}, &Problem{Kind: "several-processes", Cohort: "canary", Where: "http://c/metrics", Detail: "counters jump", Fatal: true}
		}
		return whole(300, 3, 0)(elapsed, window)
	})
	expect(t, rep, finding.Inconclusive, EndedRefused, "INCONCLUSIVE after 3 s: canary http://c/metrics: counters jump")
}

func TestInterrupted(t *testing.T) {
	c := newClock()
	ctx, cancel := context.WithCancel(t.Context())
	deps := c.deps()
	deps.Progress = func(tick Tick) {
		if tick.Seconds >= 3 {
			cancel()
		}
	}
	rep, err := Run(ctx, demoPlan(), &script{clock: c, play: whole(50, 0, 0)}, deps)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	expect(t, rep, finding.Inconclusive, EndedInterrupted, "interrupted; so far errors 0 of 150 (canary) and 0 of 150 (baseline)")
	checkReplay(t, rep)
}

func TestWarmUpIsNotJudged(t *testing.T) {
	plan := demoPlan()
	plan.WarmUp = 3500 * time.Millisecond
	rep := play(t, plan, func(elapsed, window float64) (Sample, error) {
		if elapsed <= 3.5 { // a terrible start
			return errorCounts(seqtest.Cohort{N: 100, Bad: 100}, seqtest.Cohort{N: 100}), nil
		}
		return errorCounts(seqtest.Cohort{N: 600}, seqtest.Cohort{N: 600}), nil
	})
	expect(t, rep, finding.Pass, EndedDecided)
	if rep.Metrics[0].Canary.Bad != 0 {
		t.Errorf("canary %+v", rep.Metrics[0].Canary)
	}
	if rep.Ticks[4].Seconds != 3.5 || rep.Ticks[4].State != TickWarmUp || rep.Ticks[5].State != TickJudged {
		t.Errorf("ticks around the end of warm-up: %+v", rep.Ticks[3:6])
	}
}

func TestMinimumDurationHoldsPassNotFail(t *testing.T) {
	plan := demoPlan()
	plan.MinDuration = 30 * time.Second
	if rep := play(t, plan, whole(600, 0, 0)); rep.Verdict != finding.Pass || rep.DecidedAfterSeconds != 30 {
		t.Errorf("%s after %v s", rep.Verdict, rep.DecidedAfterSeconds)
	}
	if rep := play(t, plan, whole(600, 60, 0)); rep.Verdict != finding.Fail || rep.DecidedAfterSeconds > 5 {
		t.Errorf("%s after %v s", rep.Verdict, rep.DecidedAfterSeconds)
	}
}

// TestFailDominates has a canary within the margin for pass and, with a great
// many requests, certainly worse than the tolerance for fail.
func TestFailDominates(t *testing.T) {
	plan := demoPlan()
	plan.MinDuration = 20 * time.Second
	rep := play(t, plan, whole(20000, 40, 20)) // 0.2 % against 0.1 %
	expect(t, rep, finding.Fail, EndedDecided)
	if rep.Metrics[0].LnEPass < seqtest.Threshold(plan.Beta) {
		t.Log("the pass test had not rejected yet")
	}
}

func TestNotEnoughEvidence(t *testing.T) {
	rep := play(t, demoPlan(), traffic(1, even(2), .001, .001))
	expect(t, rep, finding.Inconclusive, EndedDeadline, "not enough evidence either way", "forecast", "cannot see")
}

func TestShareMismatchHolds(t *testing.T) {
	plan := demoPlan()
	plan.Share = 0.1
	rep := play(t, plan, whole(300, 30, 0)) // half the traffic instead of a tenth
	expect(t, rep, finding.Inconclusive, EndedDeadline, "the canary gets 50 % of the requests instead of 10 %")
	plan.Share = 0.5
	expect(t, play(t, plan, whole(300, 30, 0)), finding.Fail, EndedDecided)
}

func TestSeveralMetrics(t *testing.T) {
	metric := func(name string, gate Gate) Metric {
		m := ErrorsMetric()
		m.Name, m.Gate = name, gate
		return m
	}
	plan := demoPlan()
	plan.Metrics = []Metric{metric("errors", Block), metric("slow", Block), metric("refunds", Warn), metric("jobs", Observe)}
	both := func(bad map[string]int64) func(float64, float64) (Sample, error) {
		return func(float64, float64) (Sample, error) {
			s := Sample{Counts: map[string]seqtest.Counts{}}
			for _, m := range plan.Metrics {
				s.Counts[m.Name] = seqtest.Counts{Canary: seqtest.Cohort{N: 400, Bad: bad[m.Name]}, Baseline: seqtest.Cohort{N: 400}}
			}
			return s, nil
		}
	}
	rep := play(t, plan, both(map[string]int64{"slow": 40}))
	expect(t, rep, finding.Fail, EndedDecided, ": slow 1")
	if rep.Metrics[0].Verdict == finding.Fail || rep.Metrics[1].Verdict != finding.Fail || strings.Contains(rep.Reason, "errors") {
		t.Errorf("the culprit is slow alone: %s", rep.Reason)
	}
	rep = play(t, plan, both(map[string]int64{"refunds": 40, "jobs": 40}))
	expect(t, rep, finding.Pass, EndedDecided, "warning", "observed", "**WARNING**")
	rep = play(t, plan, func(float64, float64) (Sample, error) {
		return Sample{Counts: map[string]seqtest.Counts{"errors": {Canary: seqtest.Cohort{N: 400}, Baseline: seqtest.Cohort{N: 400}}}}, nil
	})
	expect(t, rep, finding.Inconclusive, EndedDeadline, "no traffic on either side")
}

func TestLagSetting(t *testing.T) {
	for _, c := range []struct {
		lag     Lag
		aligned bool
		want    Lag
	}{{LagAuto, true, LagOff}, {LagAuto, false, LagOn}, {LagOn, true, LagOn}, {LagOff, false, LagOff}} {
		plan, cl := demoPlan(), newClock()
		plan.Lag = c.lag
		rep, err := Run(t.Context(), plan, &script{clock: cl, play: whole(300, 30, 0), aligned: c.aligned}, cl.deps())
		if err != nil || rep.Plan.Lag != c.want || rep.Verdict != finding.Fail {
			t.Errorf("%+v: lag %s, verdict %s, %v", c, rep.Plan.Lag, rep.Verdict, err)
		}
	}
}

func TestHistorySetsPriorAndDispersion(t *testing.T) {
	var calm, clustered []seqtest.Cohort
	for i := range int64(60) {
		calm = append(calm, seqtest.Cohort{N: 1000, Bad: 5 + i%3})
		clustered = append(clustered, seqtest.Cohort{N: 1000, Bad: 30 * (i % 10 / 9)})
	}
	if m := ErrorsMetric().WithHistory(calm); m.Dispersion != 1 || math.Abs(m.Prior.Rate-.006) > 1e-4 || m.Prior.Weight != 2000 {
		t.Errorf("calm history: %+v", m)
	}
	m := ErrorsMetric().WithHistory(clustered)
	if m.Dispersion < 5 {
		t.Errorf("clustered history: %+v", m)
	}
	if same := ErrorsMetric().WithHistory(nil); same != ErrorsMetric() {
		t.Errorf("no history: %+v", same)
	}
	plan := demoPlan()
	plan.Metrics[0] = m
	expect(t, play(t, plan, whole(300, 60, 0)), finding.Fail, EndedDecided, "errors come in clusters")
}

func TestReplaySeesThroughAChangedVerdict(t *testing.T) {
	rep := play(t, demoPlan(), whole(300, 30, 0))
	rep.Verdict, rep.Reason = finding.Pass, "trust me"
	again, err := Replay(rep)
	if err != nil || again.Verdict != finding.Fail {
		t.Errorf("replayed verdict %s, %v", again.Verdict, err)
	}
	rep.Ticks = rep.Ticks[:2]
	if again, err = Replay(rep); err != nil || again.Verdict != finding.Inconclusive || again.Ended != EndedDeadline {
		t.Errorf("with two ticks: %s %s, %v", again.Verdict, again.Ended, err)
	}
	for name, spoil := range map[string]func(*Report){
		"plan": func(r *Report) { r.Plan.Alpha = 0 },
		"lag":  func(r *Report) { r.Plan.Lag = LagAuto },
		"time": func(r *Report) { r.Ticks[0].Seconds = 50 },
		"counts": func(r *Report) {
			r.Ticks[1].Counts = map[string]seqtest.Counts{Errors: {Canary: seqtest.Cohort{N: 1, Bad: 2}}}
		},
	} {
		bad := play(t, demoPlan(), whole(300, 30, 0))
		spoil(&bad)
		if _, err := Replay(bad); err == nil {
			t.Errorf("%s: replayed", name)
		}
	}
	for _, text := range []string{"", "{}", `{"schema":2,"tool":"canary-gate"}`, `{"schema":1,"tool":"promote"}`} {
		if _, err := ParseReport([]byte(text)); err == nil {
			t.Errorf("ParseReport(%q) succeeds", text)
		}
	}
}

func FuzzReplay(f *testing.F) {
	c := newClock()
	rep, err := Run(context.Background(), demoPlan(), &script{clock: c, play: whole(300, 30, 0)}, c.deps())
	if err != nil {
		f.Fatal(err)
	}
	data, err := json.Marshal(rep)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"schema":1,"tool":"canary-gate","plan":{"metrics":[{"name":"errors"}]}}`))
	plan := demoPlan()
	plan.Metrics = append(plan.Metrics, Metric{Name: "slow", Gate: Warn, AboveMS: 300, Direction: Either,
		Fail: seqtest.Null{Rho: 1}, Pass: seqtest.Null{Rho: 2}, Weight: 1, Prior: seqtest.DefaultPrior(), Dispersion: 1})
	plan.Steps, plan.StepEvery, plan.Deadline = []float64{.1, .5}, 3*time.Second, 12*time.Second
	c, even := newClock(), timed(7, 100, 1)
	rep, err = Run(context.Background(), plan, &script{clock: c, play: func(e, w float64) (Sample, error) {
		s, err := even(e, w)
		s.Gauges = map[string]Gauge{"memory": {Baseline: 1, Canary: 1 + e}}
		s.Conditions = []Condition{{Name: "rule", Canary: e > 5, Why: "because"}}
		return s, err
	}}, c.deps())
	if err != nil {
		f.Fatal(err)
	}
	if data, err = json.Marshal(rep); err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		rep, err := ParseReport(data)
		if err != nil {
			return
		}
		again, err := Replay(rep)
		if err != nil {
			return
		}
		if _, err := json.Marshal(again); err != nil {
			t.Fatal(err)
		}
		again.Summary()
		_ = again.Text(&bytes.Buffer{})
		if again.HTML() == "" {
			t.Fatal("no page")
		}
	})
}

var update = flag.Bool("update", false, "write the golden files")

// TestGolden holds the words of the usual reports.
func TestGolden(t *testing.T) {
	down := &Problem{Kind: "timeout", Cohort: "baseline", Where: "http://b:8000/metrics", Detail: "no answer within 5s"}
	for name, play := range map[string]func(float64, float64) (Sample, error){
		"fail":         traffic(4, even(250), .02, 0),
		"pass":         traffic(2, even(250), .001, .001),
		"inconclusive": traffic(2, seqtest.Traffic{Canary: .5, Baseline: 9.5}, .004, .004),
		"outage": func(e, w float64) (Sample, error) {
			if e > 4 && e < 9 {
				return Sample{}, down
			}
			s, err := whole(100, 2, 1)(e, w)
			s.Notes = []string{"canary <http://c|x> restarted\nnow"}
			return s, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			rep, err := Run(t.Context(), demoPlan(), &script{clock: c, play: play}, c.deps())
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := rep.Text(&b); err != nil {
				t.Fatal(err)
			}
			b.WriteString("----\n" + rep.Summary())
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != strings.ReplaceAll(string(want), "\r\n", "\n") {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// BenchmarkTick is a look with all that is judged of it: errors with their
// interval, response times at all thresholds, a gauge.
func BenchmarkTick(b *testing.B) {
	plan := DefaultPlan()
	plan.Lag, plan.Deadline = LagOn, 1000*time.Hour
	plan.MinDuration = plan.Deadline - time.Minute
	even := timed(9, 100, 1)
	j := newJudge(plan)
	j.bounds = []float64{100, 250, 500}
	var ticks []Tick
	for range 200 {
		s, err := even(0, 5)
		if err != nil {
			b.Fatal(err)
		}
		ticks = append(ticks, Tick{State: TickJudged, Counts: s.Counts, Times: &Times{Baseline: s.Latency.Baseline, Canary: s.Latency.Canary},
			Gauges: map[string]Gauge{"memory": {Baseline: 1, Canary: 1}}})
	}
	i := 0
	for b.Loop() {
		if i%720 == 0 { // an hour of looks
			j = newJudge(plan)
			j.bounds = []float64{100, 250, 500}
		}
		t := ticks[i%len(ticks)]
		t.Seconds = float64(5 * (i%720 + 1))
		j.add(&t)
		i++
	}
}
