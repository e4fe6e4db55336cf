// Package expo reads the Prometheus text exposition format 0.0.4, as an
// application's /metrics page speaks it, with limits: the page is somebody
// else's. What OpenMetrics adds (exemplars, "# EOF", unit lines) is tolerated.
//
// The format: https://prometheus.io/docs/instrumenting/exposition_formats/
package expo

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The limits of a page. A page beyond them is an error, never cut short.
const (
	maxLine   = 64 << 10
	maxLabels = 64
	maxSeries = 200_000
)

// Label is one name and value, as they stand in the page.
type Label struct{ Name, Value string }

// Line is what a sample line says before its value. The same line of the next page
// is the same pointer when one [Reader] reads both.
type Line struct {
	Name   string
	Labels []Label
	// head is the text up to the value, as it was written.
	head string
}

// Series is one sample line. Value may be NaN or infinite.
type Series struct {
	*Line
	Value float64
}

// Label returns a label's value and whether it is there.
func (l *Line) Label(name string) (string, bool) {
	for _, l := range l.Labels {
		if l.Name == name {
			return l.Value, true
		}
	}
	return "", false
}

// Page is what a page holds: its samples in order, and the declared types
// ("counter", "gauge", "histogram", …) by metric name.
type Page struct {
	Series []Series
	Types  map[string]string
}

// ErrEmpty is a page without a single line of the format.
var ErrEmpty = errors.New("the page is empty")

// Parse reads a whole page. Errors name the line; a line that does not follow
// the format is an error, because half a page would be half the counts. An I/O
// error of r is returned wrapped.
func Parse(r io.Reader) (Page, error) { return new(Reader).Parse(r) }

// parseLine reads name{labels} value [timestamp] [# exemplar].
func parseLine(line string) (Series, error) {
	i := 0
	for i < len(line) && isName(line[i], i == 0) {
		i++
	}
	s := Series{Line: &Line{Name: line[:i]}}
	rest := strings.TrimLeft(line[i:], " \t")
	if strings.HasPrefix(rest, "{") {
		var err error
		if rest, err = s.labels(rest[1:]); err != nil {
			return Series{}, err
		}
	} else if i > 0 && len(rest) == len(line[i:]) && rest != "" {
		return Series{}, fmt.Errorf("%q does not follow a metric name", excerpt(rest))
	}
	if s.Name == "" {
		return Series{}, fmt.Errorf("%q is not a metric name", excerpt(line))
	}
	s.head = line[:len(line)-len(rest)]
	var err error
	s.Value, err = value(rest)
	return s, err
}

// value reads what follows a line's head: value [timestamp] [# exemplar].
func value(rest string) (float64, error) {
	// The labels are read already: an exemplar follows.
	if at := strings.Index(rest, " #"); at >= 0 {
		rest = rest[:at]
	}
	fields := strings.Fields(rest)
	if len(fields) < 1 || len(fields) > 2 {
		return 0, fmt.Errorf("%q is not a value with an optional timestamp", excerpt(rest))
	}
	v, err := number(fields[0])
	if err != nil {
		return 0, err
	}
	if len(fields) == 2 {
		// 0.0.4 has integer milliseconds, OpenMetrics fractional seconds.
		if _, err := number(fields[1]); err != nil {
			return 0, fmt.Errorf("timestamp: %w", err)
		}
	}
	return v, nil
}

// number reads a float as Go and the format write it, but no hexadecimal, no
// underscores.
func number(s string) (float64, error) {
	if strings.ContainsAny(s, "_xXpP") {
		return 0, fmt.Errorf("%q is not a number", excerpt(s))
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%q is not a number", excerpt(s))
	}
	return v, nil
}

// labels reads the pairs up to the closing brace and returns what follows it. A
// quoted string without "=" is the metric's name, as UTF-8 exposition writes it.
func (s *Line) labels(rest string) (string, error) {
	for {
		rest = strings.TrimLeft(rest, " \t,")
		if strings.HasPrefix(rest, "}") {
			return rest[1:], nil
		}
		name, after, err := labelName(rest)
		if err != nil {
			return "", err
		}
		rest = strings.TrimLeft(after, " \t")
		if !strings.HasPrefix(rest, "=") {
			if s.Name == "" && len(s.Labels) == 0 && name != "" {
				s.Name = name
				continue
			}
			return "", fmt.Errorf("label %q has no value", excerpt(name))
		}
		value, after, err := quoted(strings.TrimLeft(rest[1:], " \t"))
		if err != nil {
			return "", fmt.Errorf("label %q: %w", excerpt(name), err)
		}
		if len(s.Labels) >= maxLabels {
			return "", fmt.Errorf("more than %d labels", maxLabels)
		}
		s.Labels = append(s.Labels, Label{name, value})
		rest = strings.TrimLeft(after, " \t")
		if !strings.HasPrefix(rest, ",") && !strings.HasPrefix(rest, "}") {
			return "", fmt.Errorf("%q does not follow a label", excerpt(rest))
		}
	}
}

func labelName(rest string) (name, after string, err error) {
	if strings.HasPrefix(rest, `"`) {
		return quoted(rest)
	}
	i := 0
	for i < len(rest) && rest[i] != ':' && isName(rest[i], i == 0) {
		i++
	}
	if i == 0 {
		return "", "", fmt.Errorf("%q is not a label name", excerpt(rest))
	}
	return rest[:i], rest[i:], nil
}

// quoted reads a string with the three escapes of the format: \\, \" and \n.
func quoted(rest string) (value, after string, err error) {
	if !strings.HasPrefix(rest, `"`) {
		return "", "", fmt.Errorf("%q is not a quoted value", excerpt(rest))
	}
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; c {
		case '"':
			return b.String(), rest[i+1:], nil
		case '\\':
			if i++; i == len(rest) {
				return "", "", errors.New("the value ends in the middle of an escape")
			}
			switch rest[i] {
			case 'n':
				b.WriteByte('\n')
			case '\\', '"':
				b.WriteByte(rest[i])
			default: // readers keep unknown escapes as they are
				b.WriteByte('\\')
				b.WriteByte(rest[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("the closing quote is missing")
}

func isName(c byte, first bool) bool {
	return c == '_' || c == ':' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || !first && c >= '0' && c <= '9'
}

// excerpt keeps messages short: the page is somebody else's.
func excerpt(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
