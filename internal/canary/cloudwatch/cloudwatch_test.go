package cloudwatch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

const begin = 1_800_000_000

// fake is GetMetricData over a minute's 90 requests of each side; it checks the
// signature by signing again, and answers in pages of ten values.
type fake struct {
	t      *testing.T
	now    int64
	fault  func(http.ResponseWriter) bool
	status string
	asked  int
	// bare is set when only sums are kept of response times, not their distribution.
	bare bool
}

// value is a minute's sum, or its count of response times above a threshold: all 90
// take longer than 50 ms, 30 longer than 100, of the canary 10 longer than 250.
func (f *fake) value(name, stat, group string) (n int, ok bool) {
	switch {
	case name == "RequestCount" && stat == "Sum":
		return 90, true
	case name == "HTTPCode_Target_5XX_Count" && stat == "Sum":
		return map[string]int{"green": 3}[group], true // nothing at all for the baseline: zeros are not reported
	case name != "TargetResponseTime":
		return 0, false
	}
	above, ok := map[string]int{"TC(0:)": 90, "TC(0.05:)": 90, "TC(0.1:)": 30, "TC(0.25:)": map[string]int{"green": 10}[group], "TC(0.5:)": 0, "TC(1:)": 0, "TC(2.5:)": 0, "TC(5:)": 0}[stat]
	if f.bare {
		above = 0
	}
	return above, ok
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Unix(f.now, 0).UTC().Format(http.TimeFormat))
	f.asked++
	if f.fault != nil && f.fault(w) {
		return
	}
	body, _ := io.ReadAll(r.Body)
	again, _ := http.NewRequest(r.Method, "http://"+r.Host+r.URL.String(), strings.NewReader(string(body)))
	again.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	hash := sha256.Sum256(body)
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err == nil {
		err = v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: "AK", SecretAccessKey: "secret", SessionToken: "token"}, again, hex.EncodeToString(hash[:]), "monitoring", "eu-central-1", at)
	}
	if err != nil || again.Header.Get("Authorization") != r.Header.Get("Authorization") || r.Header.Get("X-Amz-Security-Token") != "token" {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>")
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") != "GetMetricData" || form.Get("Version") != "2010-08-01" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	from, _ := time.Parse(time.RFC3339, form.Get("StartTime"))
	to, _ := time.Parse(time.RFC3339, form.Get("EndTime"))
	first := from.Unix()
	if token := form.Get("NextToken"); token != "" {
		_, _ = fmt.Sscan(token, &first)
	}
	last := min(to.Unix(), f.now, first+600)
	var b strings.Builder
	b.WriteString("<GetMetricDataResponse><GetMetricDataResult><MetricDataResults>")
	for i := 1; form.Get(fmt.Sprintf("MetricDataQueries.member.%d.Id", i)) != ""; i++ {
		p := fmt.Sprintf("MetricDataQueries.member.%d.", i)
		value, ok := f.value(form.Get(p+"MetricStat.Metric.MetricName"), form.Get(p+"MetricStat.Stat"), form.Get(p+"MetricStat.Metric.Dimensions.member.2.Value"))
		if !ok || form.Get(p+"MetricStat.Period") != "60" || form.Get(p+"MetricStat.Metric.Namespace") != "AWS/ApplicationELB" ||
			form.Get(p+"MetricStat.Metric.Dimensions.member.2.Name") != "TargetGroup" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		status := "Complete"
		if f.status != "" {
			status = f.status
		}
		fmt.Fprintf(&b, "<member><Id>%s</Id><StatusCode>%s</StatusCode>", form.Get(p+"Id"), status)
		var times, values strings.Builder
		for t := first; t < last && value > 0; t += 60 {
			fmt.Fprintf(&times, "<member>%s</member>", time.Unix(t, 0).UTC().Format(time.RFC3339))
			fmt.Fprintf(&values, "<member>%d.0</member>", value)
		}
		fmt.Fprintf(&b, "<Timestamps>%s</Timestamps><Values>%s</Values></member>", times.String(), values.String())
	}
	b.WriteString("</MetricDataResults>")
	if last < min(to.Unix(), f.now) {
		fmt.Fprintf(&b, "<NextToken>%d</NextToken>", last)
	}
	b.WriteString("</GetMetricDataResult></GetMetricDataResponse>")
	w.Header().Set("Content-Type", "text/xml")
	_, _ = io.WriteString(w, b.String())
}

func config(url string) Config {
	return Config{Region: "eu-central-1", Endpoint: url, AccessKey: "AK", SecretKey: "secret", SessionToken: "token",
		Requests: "AWS/ApplicationELB RequestCount LoadBalancer=app/web/1,{{cohort}}", Errors: "AWS/ApplicationELB HTTPCode_Target_5XX_Count LoadBalancer=app/web/1,{{cohort}}",
		Baseline: "TargetGroup=blue", Canary: "TargetGroup=green"}
}

func TestCounts(t *testing.T) {
	f := &fake{t: t, now: begin + 7}
	srv := httptest.NewServer(f)
	defer srv.Close()
	cfg := config(srv.URL)
	cfg.Now = func() time.Time { return time.Unix(f.now, 0) }
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if first, err := s.Sample(t.Context()); err != nil || !first.Origin {
		t.Fatalf("%+v %v", first, err)
	}
	var sum seqtest.Counts
	look := func(minutes int) {
		for range minutes {
			f.now += 60
			got, err := s.Sample(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sum = sum.Plus(got.Counts[canary.Errors])
		}
	}
	look(10)
	f.now += 40 * 60 // nobody looks for long: several pages
	look(5)
	// The origin is the next whole minute; the last three may still grow.
	minutes := int64(10 + 40 + 5 - 1 - 3)
	if want := (seqtest.Counts{Baseline: seqtest.Cohort{N: 90 * minutes}, Canary: seqtest.Cohort{N: 90 * minutes, Bad: 3 * minutes}}); sum != want {
		t.Errorf("%+v, want %+v", sum, want)
	}
	f.now += 60
	f.status = "InternalError"
	if _, err := s.Sample(t.Context()); err == nil || err.(*canary.Problem).Kind != "partial" {
		t.Errorf("%v", err)
	}
	f.status = ""
	f.now += 60
	for code, kind := range map[int]string{403: "status", 400: "query", 500: "status", 200: "not-api"} {
		f.fault = func(w http.ResponseWriter) bool { w.WriteHeader(code); _, _ = io.WriteString(w, "<"); return true }
		if _, err := s.Sample(t.Context()); err == nil || err.(*canary.Problem).Kind != kind {
			t.Errorf("%d: %v", code, err)
		}
	}
	f.fault = nil
	cfg.SecretKey = "Xq9"
	other, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Sample(t.Context()); err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") || strings.Contains(err.Error(), "Xq9") {
		t.Errorf("%v", err)
	}
}

// TestLatency: response times are counted by thresholds, in trimmed counts. The
// service is asked once a minute, however often it is looked at.
func TestLatency(t *testing.T) {
	f := &fake{t: t, now: begin + 7}
	srv := httptest.NewServer(f)
	defer srv.Close()
	cfg := config(srv.URL)
	cfg.Latency = "AWS/ApplicationELB TargetResponseTime LoadBalancer=app/web/1,{{cohort}}"
	cfg.Now = func() time.Time { return time.Unix(f.now, 0) }
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var sum *canary.Latency
	var n seqtest.Counts
	notes := 0
	look := func(minutes int) {
		for range minutes * 12 {
			got, err := s.Sample(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			n = n.Plus(got.Counts[canary.Errors])
			for _, text := range got.Notes {
				if strings.Contains(text, "no response times") {
					notes++
				}
			}
			if l := got.Latency; l != nil && sum == nil {
				sum = l
			} else if l != nil {
				for i := range l.Canary {
					sum.Baseline[i] += l.Baseline[i]
					sum.Canary[i] += l.Canary[i]
				}
			}
			f.now += 5
		}
	}
	look(20)
	minutes := n.Canary.N / 90
	if want := []float64{50, 100, 250, 500, 1000, 2500, 5000}; sum == nil || minutes < 14 || !slices.Equal(sum.BoundsMS, want) {
		t.Fatalf("%d minutes, %+v", minutes, sum)
	}
	for side, c := range map[string]struct {
		got  []int64
		want [8]int64
	}{"baseline": {sum.Baseline, [8]int64{0, 60, 30}}, "canary": {sum.Canary, [8]int64{0, 60, 20, 10}}} {
		for i, w := range c.want {
			if c.got[i] != w*minutes {
				t.Errorf("%s: %v in %d minutes", side, c.got, minutes)
				break
			}
		}
	}
	if f.asked > 20 || notes != 0 {
		t.Errorf("asked %d times in 20 minutes, %d notes", f.asked, notes)
	}
	// No distribution is no fast response.
	f.bare, sum = true, nil
	look(10)
	if sum != nil || notes != 1 {
		t.Errorf("%+v, %d notes", sum, notes)
	}
}

func TestUsage(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"region":    func(c *Config) { c.Region = "mars/../x" },
		"key":       func(c *Config) { c.AccessKey = "" },
		"same":      func(c *Config) { c.Canary = c.Baseline },
		"no cohort": func(c *Config) { c.Requests = "AWS/ApplicationELB RequestCount LoadBalancer=a" },
		"two words": func(c *Config) { c.Errors = "RequestCount {{cohort}}" },
		"dimension": func(c *Config) { c.Canary = "green" },
		"unit":      func(c *Config) { c.Latency = "Shop Took {{cohort}}" },
	} {
		cfg := config("https://127.0.0.1")
		change(&cfg)
		if _, err := New(cfg); failure.CodeOf(err) != failure.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
}
