// Package junit reads and merges test reports in the JUnit XML format, as pytest
// writes it (--junitxml) and most runners do. There is no standard; what is read
// here is the part that all writers share: testsuites, testsuite, testcase with
// failure, error or skipped.
package junit

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// MaxSize bounds a report that is read.
const MaxSize = 16 << 20

// Report is what a run of tests came to.
type Report struct {
	Tests    int     `json:"tests"`
	Failures int     `json:"failures"` // assertions that failed, and tests that broke
	Skipped  int     `json:"skipped"`
	Seconds  float64 `json:"seconds"`
	// Failed lists the first Failures of them.
	Failed []Failure `json:"failed,omitempty"`

	suites []suite
}

// Failure is one test that did not pass.
type Failure struct {
	Name string `json:"name"` // class and test
	// File and Line are where it stands, if the report says so.
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
	Text    string `json:"-"`
}

type suite struct {
	attrs []xml.Attr
	inner []byte
}

type document struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Inner   []byte     `xml:",innerxml"`
	Suites  []struct {
		Attrs []xml.Attr `xml:",any,attr"`
		Inner []byte     `xml:",innerxml"`
	} `xml:"testsuite"`
}

type testcases struct {
	Cases []testcase `xml:"testcase"`
}

type testcase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	File    string   `xml:"file,attr"`
	Line    string   `xml:"line,attr"`
	Time    string   `xml:"time,attr"`
	Failure *problem `xml:"failure"`
	Error   *problem `xml:"error"`
	Skipped *problem `xml:"skipped"`
}

type problem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Parse reads a report.
func Parse(data []byte) (*Report, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("reading a test report: %d bytes, at most %d are read", len(data), MaxSize)
	}
	var d document
	if err := xml.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("reading a test report: %w", err)
	}
	r := &Report{}
	switch d.XMLName.Local {
	case "testsuite":
		r.suites = []suite{{d.Attrs, d.Inner}}
	case "testsuites":
		for _, s := range d.Suites {
			r.suites = append(r.suites, suite{s.Attrs, s.Inner})
		}
	default:
		return nil, fmt.Errorf("reading a test report: its root is <%s>, not <testsuites>", d.XMLName.Local)
	}
	for _, s := range r.suites {
		if err := r.count(s); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Report) count(s suite) error {
	var t testcases
	if err := xml.Unmarshal(append(append([]byte("<s>"), s.inner...), "</s>"...), &t); err != nil {
		return fmt.Errorf("reading a test report: %w", err)
	}
	for _, c := range t.Cases {
		r.Tests++
		seconds, _ := strconv.ParseFloat(c.Time, 64)
		r.Seconds += seconds
		p := c.Failure
		if p == nil {
			p = c.Error
		}
		switch {
		case p != nil:
			r.Failures++
			line, _ := strconv.Atoi(c.Line)
			r.Failed = append(r.Failed, Failure{Name: strings.TrimPrefix(c.Class+"::"+c.Name, "::"), File: c.File, Line: line, Message: p.Message, Text: p.Text})
		case c.Skipped != nil:
			r.Skipped++
		}
	}
	return nil
}

// Merge puts the suites of several reports, such as those of shards, into one.
func Merge(all ...*Report) *Report {
	out := &Report{}
	for _, r := range all {
		out.Tests, out.Failures, out.Skipped, out.Seconds = out.Tests+r.Tests, out.Failures+r.Failures, out.Skipped+r.Skipped, out.Seconds+r.Seconds
		out.Failed = append(out.Failed, r.Failed...)
		out.suites = append(out.suites, r.suites...)
	}
	return out
}

// Write prints the report as XML. The suites are what was read, byte for byte.
func (r *Report) Write(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s<testsuites tests=\"%d\" failures=\"%d\" skipped=\"%d\" time=\"%.3f\">", xml.Header, r.Tests, r.Failures, r.Skipped, r.Seconds)
	for _, s := range r.suites {
		b.WriteString("<testsuite")
		for _, a := range s.attrs {
			if a.Name.Space != "" || a.Name.Local == "xmlns" {
				continue
			}
			b.WriteString(" " + a.Name.Local + `="`)
			_ = xml.EscapeText(&b, []byte(a.Value)) // a buffer does not fail
			b.WriteByte('"')
		}
		b.WriteByte('>')
		b.Write(s.inner)
		b.WriteString("</testsuite>")
	}
	b.WriteString("</testsuites>\n")
	_, err := w.Write(b.Bytes())
	return err
}

// String is the report in a line: "18 passed, 2 failed, 1 skipped".
func (r *Report) String() string {
	s := fmt.Sprintf("%d passed", r.Tests-r.Failures-r.Skipped)
	if r.Failures > 0 {
		s += fmt.Sprintf(", %d failed", r.Failures)
	}
	if r.Skipped > 0 {
		s += fmt.Sprintf(", %d skipped", r.Skipped)
	}
	return s
}
