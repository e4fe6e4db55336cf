package series

import (
	"testing"

	"github.com/fairlead-ci/fairlead/internal/canary/expo"
)

func TestSelectorErrors(t *testing.T) {
	for _, text := range []string{"", "1a", "a b", "a{", "a{b}", `a{b="c}`, `a{b=~"("}`, `a{b="c" d="e"}`, "http.requests", `{""}`, `{"a" b="c"}`, `{"a"`, `{a="b"}`} {
		if s, err := ParseSelector(text); err == nil {
			t.Errorf("ParseSelector(%q) = %+v", text, s)
		}
	}
	for _, text := range []string{"", "  ", "status", "status=~(", "=5"} {
		if m, err := ParseMatchers(text); err == nil {
			t.Errorf("ParseMatchers(%q) = %+v", text, m)
		}
	}
}

func FuzzParseSelector(f *testing.F) {
	f.Add(`http_requests_total{job="web",handler!~"/(a|b)"}`)
	f.Add(`a{b=c,d="\"\\"}`)
	f.Add(`{"http.server.requests","k8s.pod"=~"web-.+",job="web"}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSelector(text)
		if err != nil {
			return
		}
		if s.Name == "" {
			t.Fatalf("name %q", s.Name)
		}
		again, err := ParseSelector(s.String())
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q is written as %q, which reads as %q, %v", text, s, again, err)
		}
	})
}

// What is written for Prometheus reads as what was meant.
func TestSelectorString(t *testing.T) {
	s, err := ParseSelector(`calls{ a = "x\\y\"z" , b=~5.., c!=""}`)
	if err != nil {
		t.Fatal(err)
	}
	want := `calls{a="x\\y\"z",b=~"5..",c!="",v="new\nline"}`
	if got := s.With(Matcher{Label: "v", Op: "=", Value: "new\nline"}); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	// Names of other characters, as Prometheus 3 has them.
	dotted, err := ParseSelector(` {"http.server.requests", "k8s.pod"="web-1",job="a"}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := dotted.With(Matcher{Label: "v", Op: "!=", Value: ""}), `{"http.server.requests","k8s.pod"="web-1",job="a",v!=""}`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if plain, err := ParseSelector(`{"up"}`); err != nil || plain.String() != "up" {
		t.Errorf("%s, %v", plain, err)
	}
	if got := (Selector{Name: "up"}).String(); got != "up" {
		t.Error(got)
	}
	// A missing label counts as empty, as for Prometheus.
	ok := expo.Series{Line: &expo.Line{Name: "calls", Labels: []expo.Label{{Name: "a", Value: `x\y"z`}, {Name: "b", Value: "500"}, {Name: "c", Value: "1"}}}}
	if !s.Matches(ok) {
		t.Error("no match")
	}
	ok.Labels = ok.Labels[:2]
	if s.Matches(ok) {
		t.Error(`c!="" holds for a missing label`)
	}
}
