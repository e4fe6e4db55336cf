package cloudwatch

import (
	"strconv"
	"strings"
)

// query is one series that is asked for: a statistic of a metric.
type query struct {
	metric
	stat string
	// side is 0 for the baseline, what is one of the following.
	side, what int
}

const (
	requests = iota
	failures
	latency
)

// thresholdsMS are the thresholds of response times, from 0, which counts them all:
// CloudWatch keeps no buckets but counts values in a range, as many ranges as are
// asked for, and each is paid for.
func thresholdsMS() []float64 { return []float64{0, 50, 100, 250, 500, 1000, 2500, 5000} }

// slower is the statistic that counts the values above a bound: a trimmed count,
// whose lower end is exclusive. It has no data for sets of values whose distribution
// is not kept, not even for 0.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
func slower(bound float64) string {
	return "TC(" + strconv.FormatFloat(bound, 'f', -1, 64) + ":)"
}

// unitMS is the metric's unit in milliseconds, 0 if not known: what CloudWatch
// answers does not say.
func (m metric) unitMS() float64 {
	switch {
	case m.namespace == "AWS/ApplicationELB", m.namespace == "AWS/ELB":
		return 1000
	case m.namespace == "AWS/ApiGateway", m.namespace == "AWS/Lambda", strings.HasSuffix(strings.ToLower(m.name), "milliseconds"):
		return 1
	case strings.HasSuffix(strings.ToLower(m.name), "seconds"):
		return 1000
	}
	return 0
}
