package expo

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	page, err := Parse(strings.NewReader(`# HELP http_requests_total Requests # not an exemplar.
# TYPE http_requests_total counter
http_requests_total{method="GET",status="200"} 1027 1395066363000
http_requests_total{ method = "GET" , status="500", } 3.0
no_labels 4
empty_labels{} 1e3
spaced	 5
esc{path="C:\\DIR\\FILE \"x\"\n{}#,=",odd="\d"} 7
nan_value{q="0.5"} NaN
inf_value +Inf
neg -Inf
http_requests_created{status="200"} 1.7e9
bucket{le="0.5"} 17 # {trace_id="a b} 4"} 0.43 1520879607.789
with_ts 3 1520879607.789 # {} 1
{"utf8.name",a="b"} 9
# EOF`))
	if err != nil {
		t.Fatal(err)
	}
	if page.Types["http_requests_total"] != "counter" {
		t.Errorf("types = %v", page.Types)
	}
	got := map[string]float64{}
	for _, s := range page.Series {
		key := s.Name
		for _, l := range s.Labels {
			key += "|" + l.Name + "=" + l.Value
		}
		got[key] = s.Value
	}
	if v := got["nan_value|q=0.5"]; !math.IsNaN(v) {
		t.Errorf("NaN = %v", v)
	}
	delete(got, "nan_value|q=0.5")
	want := map[string]float64{
		"http_requests_total|method=GET|status=200": 1027,
		"http_requests_total|method=GET|status=500": 3,
		"no_labels":    4,
		"empty_labels": 1000,
		"spaced":       5,
		"esc|path=C:\\DIR\\FILE \"x\"\n{}#,=|odd=\\d": 7,
		"inf_value":                        math.Inf(1),
		"neg":                              math.Inf(-1),
		"http_requests_created|status=200": 1.7e9,
		"bucket|le=0.5":                    17,
		"with_ts":                          3,
		"utf8.name|a=b":                    9,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if v, ok := page.Series[0].Label("status"); v != "200" || !ok {
		t.Errorf("Label(status) = %q, %v", v, ok)
	}
	if _, ok := page.Series[0].Label("code"); ok {
		t.Error("a label that is not there was found")
	}
}

func TestParseErrors(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"html":        {"<!doctype html>\n<html>", "line 1: \"<!doctype html>\" is not a metric name"},
		"json":        {`{"status": "up"}`, "line 1"},
		"value":       {"a 1\nb one", `line 2: "one" is not a number`},
		"no value":    {"a", "is not a value"},
		"too many":    {"a 1 2 3", "is not a value"},
		"timestamp":   {"a 1 soon", "timestamp"},
		"hex":         {"a 0x10", "is not a number"},
		"glued":       {"a-b 1", `does not follow a metric name`},
		"open quote":  {`a{b="c} 1`, "closing quote"},
		"open escape": {`a{b="\`, "escape"},
		"open brace":  {`a{b="c"`, "does not follow a label"},
		"no equals":   {`a{b} 1`, `label "b" has no value`},
		"unquoted":    {`a{b=c} 1`, "not a quoted value"},
		"label name":  {`a{1="c"} 1`, "not a label name"},
		"nameless":    {`{b="c"} 1`, "not a metric name"},
		"cut":         {"a 1\na 10", "middle of a line"},
		"long line":   {strings.Repeat("a", maxLine+5) + " 1", "longer than"},
		"labels":      {"a{" + strings.Repeat(`b="c",`, maxLabels+1) + "} 1", "more than 64 labels"},
		"series":      {strings.Repeat("a 1\n", maxSeries+1), "more than 200000 series"},
	} {
		if _, err := Parse(strings.NewReader(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	if _, err := Parse(strings.NewReader("\n\n")); !errors.Is(err, ErrEmpty) {
		t.Errorf("empty page: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a{b=\"c\\\"\",d=\"\\n\"} 1 # {x=\"y\"} 2\n# TYPE a counter\n")
	f.Add("{\"u\",a=\"b\"} NaN 12")
	f.Add("a{,} +Inf")
	f.Fuzz(func(t *testing.T, in string) {
		page, err := Parse(strings.NewReader(in))
		if err != nil {
			if len(page.Series) > 0 {
				t.Fatal("series beside an error")
			}
			return
		}
		for _, s := range page.Series {
			if s.Name == "" || len(s.Labels) > maxLabels {
				t.Fatalf("series %+v", s)
			}
		}
	})
}

// TestReader: what a Reader remembers of a page changes nothing about the next one,
// and a line that stays is the same.
func TestReader(t *testing.T) {
	pages := []string{
		"# TYPE a counter\na{b=\"c\"} 1\na{b=\"d\"} 2.0\nx 3\n",
		"# TYPE a counter\na{b=\"c\"} 10.0\na{b=\"d\"} 1e3\nx 4 17\n",
		"# TYPE a counter\n# TYPE x gauge\na{b=\"c\"} 11\nnew 1\na{b=\"d\"} NaN\nx 0.5 # {} 1\n",
		"a{b=\"d\"} 7\na{b=\"c\"}8\n",
	}
	var r Reader
	lines := map[string]*Line{}
	for i, text := range pages {
		got, err := r.Parse(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if want, _ := Parse(strings.NewReader(text)); !same(got, want) {
			t.Errorf("page %d: %+v, a fresh reader says %+v", i, got, want)
		}
		for _, s := range got.Series {
			if l := lines[s.head]; l != nil && l != s.Line {
				t.Errorf("page %d: %s is another line than before", i, s.head)
			}
			lines[s.head] = s.Line
		}
	}
	if _, err := r.Parse(strings.NewReader("a{b=\"d\"} 7 8 9\n")); err == nil {
		t.Error("a line that was fine before is believed to be")
	}
	// Labels that never end are not kept, whether the page can be read or not.
	for i := range 20 {
		var b strings.Builder
		for j := range 500 {
			fmt.Fprintf(&b, "a{b=\"%d-%d\"} 1\n# TYPE a%d-%d counter\n", i, j, i, j)
		}
		_, _ = r.Parse(strings.NewReader(b.String() + []string{"", "broken"}[i%2]))
	}
	if len(r.known) > 2*500+slack || len(r.declared) > 2*500+slack {
		t.Errorf("%d lines and %d declarations are kept", len(r.known), len(r.declared))
	}
}

// same compares pages by what they say.
func same(a, b Page) bool {
	return slices.EqualFunc(a.Series, b.Series, func(x, y Series) bool {
		return x.Name == y.Name && slices.Equal(x.Labels, y.Labels) && (x.Value == y.Value || math.IsNaN(x.Value) && math.IsNaN(y.Value))
	}) && maps.Equal(a.Types, b.Types)
}

// FuzzReader: a page reads the same after another one.
func FuzzReader(f *testing.F) {
	f.Add("a{b=\"c\"} 1\nfoo 2\n", "a{b=\"c\"} 17.0\nfoo{x=\"y\"} 3\n")
	f.Add("foo 1\n", "foo  \t12 3\n# TYPE foo counter\n")
	f.Add("a{} 1\n", "a{}1.0\n")
	f.Fuzz(func(t *testing.T, first, second string) {
		var r Reader
		_, _ = r.Parse(strings.NewReader(first))
		got, err := r.Parse(strings.NewReader(second))
		want, wantErr := Parse(strings.NewReader(second))
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !same(got, want) {
			t.Fatalf("%+v, %v; a fresh reader says %+v, %v", got, err, want, wantErr)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	var page strings.Builder
	for i := range 250 {
		fmt.Fprintf(&page, "http_request_duration_seconds_bucket{handler=\"/api/v1/resource%d\",le=\"0.%d\",method=\"GET\"} %d.0\n", i/10, i%10, i*1000)
	}
	text := page.String()
	b.SetBytes(int64(len(text)))
	var r Reader
	for b.Loop() {
		if _, err := r.Parse(strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}
