package canary

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSpec bounds the text of one metric.
const maxSpec = 4096

// SetMetric changes the plan by one line of settings: a metric's name and what is
// wanted of it, such as
//
//	errors tolerate=0.1 margin=0.5
//	latency gate=warn
//	checkout above=500ms tolerate-ratio=1.5 margin-ratio=2 margin=0.5
//	orders worse=down
//	memory kind=gauge gate=warn
//
// tolerate and margin are percentage points (for a gauge: its own unit),
// tolerate-ratio and margin-ratio factors. A margin that is not given is at least
// the tolerance. gate=off takes the metric out.
func (p *Plan) SetMetric(spec string) error {
	fields := strings.Fields(spec)
	if len(fields) == 0 || len(spec) > maxSpec {
		return fmt.Errorf("a metric is a name and settings, such as: errors margin=0.5")
	}
	name := fields[0]
	if strings.Contains(name, "=") {
		return fmt.Errorf("metric %q: its name comes first, then settings such as margin=0.5", spec)
	}
	at := slices.IndexFunc(p.Metrics, func(m Metric) bool { return m.Name == name })
	m := ErrorsMetric()
	m.Name = name
	if at >= 0 {
		m = p.Metrics[at]
		m.IfSeen = false // who names a metric wants it
	}
	given := map[string]string{}
	for _, f := range fields[1:] {
		key, value, ok := strings.Cut(f, "=")
		if _, twice := given[key]; !ok || value == "" || twice {
			return fmt.Errorf("metric %q: %q is not KEY=VALUE, or is said twice", name, f)
		}
		given[key] = value
	}
	if given["gate"] == "off" {
		if len(given) > 1 {
			return fmt.Errorf("metric %q: gate=off needs no other settings", name)
		}
		p.Metrics = slices.DeleteFunc(slices.Clone(p.Metrics), func(m Metric) bool { return m.Name == name })
		return nil
	}
	if err := m.set(given); err != nil {
		return fmt.Errorf("metric %q: %w", name, err)
	}
	if err := m.check(); err != nil {
		return fmt.Errorf("metric %q: %w", name, err)
	}
	p.Metrics = slices.Clone(p.Metrics)
	if at >= 0 {
		p.Metrics[at] = m
	} else {
		p.Metrics = append(p.Metrics, m)
	}
	return nil
}

func (m *Metric) set(given map[string]string) error {
	if k, ok := given["kind"]; ok {
		if k == "count" {
			k = ""
		}
		m.Kind = Kind(k)
		if m.Kind == KindGauge {
			m.Gate, m.Pass = Warn, m.Fail
		}
	}
	points := 100.0
	if m.Kind == KindGauge {
		points = 1
	}
	for key, value := range given {
		var err error
		switch key {
		case "kind":
		case "gate":
			m.Gate = Gate(value)
		case "worse":
			if m.Direction = Direction(value); value == "up" {
				m.Direction = Up
			}
		case "tolerate":
			m.Fail.Delta, err = decimal(value, points)
		case "tolerate-ratio":
			m.Fail.Rho, err = decimal(value, 1)
		case "margin":
			m.Pass.Delta, err = decimal(value, points)
		case "margin-ratio":
			m.Pass.Rho, err = decimal(value, 1)
		case "weight":
			m.Weight, err = decimal(value, 1)
		case "above":
			var d time.Duration
			d, err = time.ParseDuration(value)
			m.AboveMS = float64(d) / float64(time.Millisecond)
		default:
			return fmt.Errorf("%q is not known: use gate, tolerate, tolerate-ratio, margin, margin-ratio, worse, above, kind or weight", key)
		}
		if err != nil {
			return fmt.Errorf("%s=%s: %w", key, value, err)
		}
	}
	if _, ok := given["margin-ratio"]; !ok {
		m.Pass.Rho = max(m.Pass.Rho, m.Fail.Rho)
	}
	if _, ok := given["margin"]; !ok {
		m.Pass.Delta = max(m.Pass.Delta, m.Fail.Delta)
	}
	return nil
}

func decimal(s string, unit float64) (float64, error) {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || x != x {
		return 0, fmt.Errorf("not a number")
	}
	return x / unit, nil
}
