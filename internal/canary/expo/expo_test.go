package expo

import (
	"errors"
	"math"
	"reflect"
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
