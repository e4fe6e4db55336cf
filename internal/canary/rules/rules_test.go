package rules

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary/series"
)

func labelSet(t testing.TB, text string) []series.Matcher {
	t.Helper()
	ms, err := series.ParseMatchers(text)
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

func TestRescope(t *testing.T) {
	_, to := Split(labelSet(t, `job="web",version="1"`), labelSet(t, `job="web",version="2"`))
	slo := func(id, expr string) Record {
		return Record{Expr: expr, Labels: map[string]string{"slo": id, "window": "5m"}}
	}
	records := map[string][]Record{
		"job:errors:rate5m": {{Expr: `sum by (job) (rate(http_requests_total{status=~"5.."}[5m]))`}},
		"job:all:rate5m":    {{Expr: `sum by (job) (rate(http_requests_total[5m]))`, Labels: map[string]string{"tier": "$web"}}},
		"job:ratio:rate5m":  {{Expr: `job:errors:rate5m / ignoring (tier) job:all:rate5m`}},
		"loop":              {{Expr: `loop + 1`}},
		"rw":                {{Expr: `sum(r)`, Labels: map[string]string{"verb": "read"}}, {Expr: `sum(w)`, Labels: map[string]string{"verb": "write"}}},
		"slo:ratio":         {slo("web", `sum(rate(bad[5m]))`), slo("mail", `sum(rate(lost[5m]))`), slo("mail", `sum(rate(late[5m]))`)},
	}
	for name, c := range map[string]struct{ in, want, err string }{
		"plain":             {`up == 0`, `up{job="web",version="2"} == 0`, ""},
		"rate":              {`sum(rate(http_requests_total{status=~"5.."}[5m])) / sum(rate(http_requests_total[5m])) > 0.05`, `sum(rate(http_requests_total{job="web",status=~"5..",version="2"}[5m])) / sum(rate(http_requests_total{job="web",version="2"}[5m])) > 0.05`, ""},
		"own label goes":    {`errors{version="1",job="web"} > 3`, `errors{job="web",version="2"} > 3`, ""},
		"another service":   {`errors{job="mail"} > 3`, ``, `it is about job="mail"`},
		"shared pattern":    {`errors{job=~"w.*"} > 3`, `errors{job="web",job=~"w.*",version="2"} > 3`, ""},
		"quantile":          {`histogram_quantile(0.99, sum by (le) (rate(t_bucket[5m]))) > 0.5`, `histogram_quantile(0.99, sum by (le) (rate(t_bucket{job="web",version="2"}[5m]))) > 0.5`, ""},
		"recorded":          {`job:ratio:rate5m{job="web"} > 0.05`, `((sum by (job) (rate(http_requests_total{job="web",status=~"5..",version="2"}[5m]))) / ignoring (tier) label_replace((sum by (job) (rate(http_requests_total{job="web",version="2"}[5m]))), "tier", "$$web", "", "")) > 0.05`, ""},
		"recorded, range":   {`max_over_time(job:all:rate5m{tier="$web"}[10m]) > 9`, `max_over_time(label_replace((sum by (job) (rate(http_requests_total{job="web",version="2"}[5m]))), "tier", "$$web", "", "")[10m:]) > 9`, ""},
		"recorded, other":   {`job:all:rate5m{tier="db"} > 9`, ``, "does not match what records it"},
		"recorded, offset":  {`job:all:rate5m offset 1w > 9`, ``, "at another time"},
		"recorded, loop":    {`loop > 9`, ``, "too deep"},
		"recorded, twice":   {`slo:ratio{slo="mail"} > 9`, ``, `several rules record slo:ratio{slo="mail"}`},
		"recorded, a slo":   {`max without (window) (slo:ratio{slo="web"} > 9)`, `max without (window) (label_replace(label_replace((sum(rate(bad{job="web",version="2"}[5m]))), "slo", "web", "", ""), "window", "5m", "", "") > 9)`, ""},
		"recorded, both":    {`sum(slo:ratio{slo!="mail"} or rw) > 9`, `sum(label_replace(label_replace((sum(rate(bad{job="web",version="2"}[5m]))), "slo", "web", "", ""), "window", "5m", "", "") or (label_replace((sum(r{job="web",version="2"})), "verb", "read", "", "") or label_replace((sum(w{job="web",version="2"})), "verb", "write", "", ""))) > 9`, ""},
		"recorded, no slo":  {`slo:ratio{slo="ftp"} > 9`, ``, "does not match what records it"},
		"recorded, between": {`increase(loop[5m] smoothed) > 9`, ``, "between its samples"},
		"fill":              {`a + fill(0) b > 1`, `a{job="web",version="2"} + fill (0) b{job="web",version="2"} > 1`, ""},
		"offset":            {`errors > 2 * errors offset 1d`, `errors{job="web",version="2"} > 2 * errors{job="web",version="2"} offset 1d`, ""},
		"subquery":          {`max_over_time(rate(errors[1m])[5m:30s]) > 1`, `max_over_time(rate(errors{job="web",version="2"}[1m])[5m:30s]) > 1`, ""},
		"absent":            {`absent(up)`, `absent(up{job="web",version="2"})`, ""},
		"on and group":      {`a * on (pod) group_left (x) b > 1`, `a{job="web",version="2"} * on (pod) group_left (x) b{job="web",version="2"} > 1`, ""},
		"unless, parens":    {`(a unless b) > 1`, `(a{job="web",version="2"} unless b{job="web",version="2"}) > 1`, ""},
		"topk":              {`topk(3, a) > 1`, `topk(3, a{job="web",version="2"}) > 1`, ""},
		"minus":             {`-a > -1`, `-a{job="web",version="2"} > -1`, ""},
		"at":                {`a @ end() > 1`, `a{job="web",version="2"} @ end() > 1`, ""},
		"no series":         {`vector(1)`, ``, "reads no series"},
		"time":              {`vector(time()) > 5`, ``, "reads no series"},
		"no name":           {`{status="500"} > 1`, ``, "no metric name"},
		"name by pattern":   {`{__name__=~"a.*"} > 1`, ``, "no metric name"},
		"name as label":     {`{__name__="a"} > 1`, `a{job="web",version="2"} > 1`, ""},
		"nonsense":          {`sum(`, ``, "parse error"},
		"hidden selections": {`info(a) > 1`, ``, "does not name"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Rescope(c.in, records, to)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("%q, %v; want an error with %q", got, err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			e1, err1 := parse(got)
			e2, err2 := parse(c.want)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if sorted(e1.String()) != sorted(e2.String()) {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// sorted makes the order of conditions within braces not matter.
func sorted(s string) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "{")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		inner, after, _ := strings.Cut(rest, "}")
		parts := strings.Split(inner, ",")
		slices.Sort(parts)
		out.WriteString("{" + strings.Join(parts, ",") + "}")
		s = after
	}
}

func TestChoose(t *testing.T) {
	set, err := Parse([]byte(`{"groups":[{"name":"g","rules":[
		{"type":"recording","name":"job:e","query":"sum by (job) (errors)","labels":{"a":"b"}},
		{"type":"alerting","name":"Errors","query":"job:e > 1","duration":300},
		{"type":"alerting","name":"Errors","query":"job:e > 9","duration":0},
		{"type":"alerting","name":"Watchdog","query":"vector(1)","duration":0},
		{"type":"alerting","name":"Slow(disk/net)","query":"slow > 1","duration":60}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	b, c := labelSet(t, `v="1"`), labelSet(t, `v="2"`)
	got, left, err := set.Choose([]string{"*"}, b, c)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Name != "Errors" || got[1].Name != "Errors (2)" || got[0].For != 5*time.Minute ||
		!strings.Contains(got[0].Baseline, `errors{v="1"}`) || !strings.Contains(got[0].Canary, `errors{v="2"}`) || !slices.Equal(got[0].Names, []string{"errors"}) {
		t.Errorf("%+v", got)
	}
	if len(left) != 1 || left[0].Name != "Watchdog" || !strings.Contains(left[0].Why, "no series") {
		t.Errorf("left %+v", left)
	}
	if got, left, err := set.Choose([]string{"Sl*"}, b, c); err != nil || len(got) != 1 || len(left) != 0 {
		t.Errorf("%+v %+v %v", got, left, err)
	}
	if got, _, err := set.Choose([]string{"Slow(disk/net)"}, b, c); err != nil || len(got) != 1 {
		t.Errorf("a name with a slash: %+v %v", got, err)
	}
	if _, _, err := set.Choose([]string{"Typo"}, b, c); err == nil || !strings.Contains(err.Error(), "Watchdog") {
		t.Errorf("a pattern that matches nothing: %v", err)
	}
	for _, bad := range []string{"", "[]", `{"groups":[{"rules":[{"type":"new"}]}]}`, `{"groups":[{"rules":[{"type":"alerting","duration":-1}]}]}`} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// FuzzRescope: no expression panics, and what comes out parses and is narrowed
// everywhere.
func FuzzRescope(f *testing.F) {
	for _, s := range []string{`sum(rate(a{x="1"}[5m])) by (y) > 3`, `rec[5m:1m]`, `absent(a) or b @ 5`, `max_over_time(rec[5m])`, `a offset -1h`, `{"a.b", c="d"}`} {
		f.Add(s)
	}
	_, to := Split(labelSet(f, `job="web",version="1"`), labelSet(f, `job="web",version="2"`))
	records := map[string][]Record{"rec": {{Expr: "sum(inner)"}}}
	f.Fuzz(func(t *testing.T, text string) {
		got, names, err := Rescope(text, records, to)
		if err != nil {
			return
		}
		if len(names) == 0 || strings.Count(got, `version="2"`) < len(names) {
			t.Fatalf("%q is narrowed to %q", text, got)
		}
		if _, err := parse(got); err != nil {
			t.Fatal(err)
		}
	})
}
