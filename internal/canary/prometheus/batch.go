package prometheus

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/expo"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
)

// cohort is a side: what it is called and which labels pick it.
type cohort int

const (
	baseline cohort = iota
	canaries
)

func (c cohort) String() string {
	if c == canaries {
		return "canary"
	}
	return "baseline"
}

// batch is everything that one look at the server brought, sorted by target.
type batch struct {
	targets map[string]*scraped
	tracked []tracked
	// created are the times, in seconds, at which counters began, by their name
	// without _total and their labels; clients that tell it do so in a gauge.
	created map[string]float64
	// notes are sentences about the answers themselves.
	notes []string
}

// scraped is what is known of a target's scrapes: one scraped process.
type scraped struct {
	key, name, job string
	cohort         cohort
	// ups are the scrapes, 1 or 0; empty where the server has no "up" for it.
	ups []point
	// starts are the process start times, seconds since 1970, by scrape.
	starts []point
	// gauges are readings by metric name.
	gauges map[string][]point
	// first and newest are the oldest and the latest sample of anything.
	first, newest int64
}

// tracked is one counter or histogram that is followed.
type tracked struct {
	key    string
	target string
	cohort cohort
	labels expo.Series
	values []point
	native []histogramPoint
	// metric is the plan's name, or "" for a histogram.
	metric   string
	all, bad bool
	// le is the upper bound of a classic bucket, in the histogram's unit.
	le float64
	// group names the histogram that a bucket belongs to.
	group string
}

func newBatch() *batch { return &batch{targets: map[string]*scraped{}, created: map[string]float64{}} }

// toSeries is the common form of a label set.
func toSeries(labels map[string]string) expo.Series {
	s := expo.Series{Line: &expo.Line{Name: labels["__name__"]}}
	for name, v := range labels {
		if name != "__name__" {
			s.Labels = append(s.Labels, expo.Label{Name: name, Value: v})
		}
	}
	slices.SortFunc(s.Labels, func(a, b expo.Label) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// identity names a series without the given label.
func identity(s expo.Series, without string) string {
	var b strings.Builder
	b.WriteString(s.Name)
	for _, l := range s.Labels {
		if l.Name != without {
			fmt.Fprintf(&b, ",%s=%q", l.Name, l.Value)
		}
	}
	return b.String()
}

// targetOf is the target that a series comes from, by job and instance.
func (b *batch) targetOf(c cohort, s expo.Series) *scraped {
	key := c.String()
	for _, name := range []string{"cluster", "job", "instance"} {
		v, _ := s.Label(name)
		key += "|" + v
	}
	if t, ok := b.targets[key]; ok {
		return t
	}
	t := &scraped{key: key, name: "(no instance)", cohort: c, gauges: map[string][]point{}}
	for _, label := range []string{"job", "instance", "pod"} {
		if v, ok := s.Label(label); ok && v != "" {
			t.name = v
		}
	}
	t.job, _ = s.Label("job")
	b.targets[key] = t
	return t
}

// createdAt is when a counter began, by what its client tells; 0 if it does not.
func (b *batch) createdAt(x *tracked) float64 {
	s := x.labels
	for _, suffix := range []string{"_total", "_count", "_bucket"} {
		s.Name = strings.TrimSuffix(s.Name, suffix)
	}
	return b.created[x.cohort.String()+"|"+identity(s, "le")]
}

// meta takes in the target's own series: up, start time, gauges.
func (b *batch) meta(c cohort, list []rawSeries, gauges map[string]string) {
	for _, r := range list {
		s := toSeries(r.Metric)
		t := b.targetOf(c, s)
		switch s.Name {
		case "up":
			t.ups = merge(t.ups, r.Values)
		case "process_start_time_seconds":
			t.starts = merge(t.starts, r.Values)
		default:
			if base, ok := strings.CutSuffix(s.Name, "_created"); ok {
				if n := len(r.Values); n > 0 {
					s.Name = base
					b.created[c.String()+"|"+identity(s, "")] = r.Values[n-1].v
				}
				continue
			}
			if metric, ok := gauges[s.Name]; ok {
				t.gauges[metric] = merge(t.gauges[metric], r.Values)
			}
		}
		t.saw(r.Values)
	}
}

func (t *scraped) saw(ps []point) {
	if len(ps) == 0 {
		return
	}
	if first := ps[0].ts; t.first == 0 || first < t.first {
		t.first = first
	}
	t.newest = max(t.newest, ps[len(ps)-1].ts)
}

// merge joins the samples of series that mean the same: a target whose other
// labels changed on the way goes on.
func merge(a, b []point) []point {
	if len(a) == 0 {
		return b
	}
	out := append(slices.Clone(a), b...)
	slices.SortStableFunc(out, func(x, y point) int { return int(x.ts - y.ts) })
	return slices.CompactFunc(out, func(x, y point) bool { return x.ts == y.ts })
}

// tells says whether a series shows if its requests failed.
func tells(counter series.Counter, s expo.Series) bool {
	if len(counter.Bad) > 0 || counter.Errors.Name != "" {
		return true
	}
	_, _, ok := series.Status(s)
	return ok
}

// requests takes in the counters of a metric.
func (b *batch) requests(c cohort, counter series.Counter, list []rawSeries) {
	for _, r := range list {
		s := toSeries(r.Metric)
		all, bad := counter.Classify(s)
		if !all && !bad || len(r.Values) == 0 || !tells(counter, s) {
			continue
		}
		t := b.targetOf(c, s)
		t.saw(r.Values)
		b.tracked = append(b.tracked, tracked{
			key: counter.Metric + "|" + c.String() + "|" + identity(s, ""), target: t.key, cohort: c, labels: s,
			values: r.Values, metric: counter.Metric, all: all, bad: bad,
		})
	}
}

// buckets takes in a histogram, classic or native.
func (b *batch) buckets(c cohort, auto bool, list []rawSeries) {
	for _, r := range list {
		s := toSeries(r.Metric)
		if auto && series.OwnTraffic(s) {
			continue
		}
		le, classic := s.Label("le")
		x := tracked{cohort: c, labels: s, values: r.Values, native: r.Histograms, group: "latency|" + c.String() + "|" + identity(s, "le")}
		x.key = x.group
		switch {
		case classic && len(r.Values) > 0:
			bound, err := strconv.ParseFloat(le, 64)
			if err != nil || math.IsNaN(bound) {
				continue
			}
			x.le, x.native = bound, nil
			x.key += "|" + strconv.FormatFloat(bound, 'g', -1, 64)
		case !classic && len(r.Histograms) > 0:
			x.values = nil
		default:
			continue
		}
		t := b.targetOf(c, s)
		t.saw(r.Values)
		x.target = t.key
		b.tracked = append(b.tracked, x)
	}
}

// ended are the targets some of whose counters of requests were not in the
// latest scrape, with the time of their last sample.
func (b *batch) ended(step int64) map[string]int64 {
	latest := map[string]int64{}
	for key, t := range b.targets {
		latest[key] = t.scrapedAt()
	}
	for _, x := range b.tracked {
		if n := len(x.values); n > 0 {
			latest[x.target] = max(latest[x.target], x.values[n-1].ts)
		}
	}
	out := map[string]int64{}
	for _, x := range b.tracked {
		if n := len(x.values); n > 0 && x.metric != "" {
			if ts := x.values[n-1].ts; latest[x.target]-ts > step/2 {
				out[x.target] = max(out[x.target], ts)
			}
		}
	}
	return out
}

// scrapedAt is the latest scrape that went well, 0 where the server does not say.
func (t *scraped) scrapedAt() int64 {
	for i := len(t.ups) - 1; i >= 0; i-- {
		if t.ups[i].v > 0 {
			return t.ups[i].ts
		}
	}
	return 0
}

// countable says whether a counter can have this value.
func countable(v float64) bool {
	return !math.IsNaN(v) && v >= 0 && v < 1<<53 && v == math.Trunc(v)
}

// check makes sure of what no later look could repair: the newest value of every
// counter must be a count, and no series may count for both sides.
func (b *batch) check() error {
	owner := map[string]cohort{}
	for _, x := range b.tracked {
		id := x.metric + "|" + identity(x.labels, "")
		if other, seen := owner[id]; seen && other != x.cohort {
			return &canary.Problem{Kind: "overlap", Fatal: true,
				Detail: "the same series counts for both sides (" + excerpt(identity(x.labels, "")) + "): the label sets of baseline and canary must exclude one another"}
		}
		owner[id] = x.cohort
		if n := len(x.values); n > 0 && !countable(x.values[n-1].v) {
			return &canary.Problem{Kind: "bad-value", Cohort: x.cohort.String(), Where: b.targets[x.target].name,
				Detail: fmt.Sprintf("%s is %v, which is not a count", x.labels.Name, x.values[n-1].v)}
		}
	}
	return nil
}
