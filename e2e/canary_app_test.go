//go:build e2e

package e2e

import (
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// counted is an application with the metrics that client_golang writes: counters,
// classic and native histograms, names of any characters, and when each began.
type counted struct {
	requests, dotted         *prometheus.CounterVec
	both, classic, histogram prometheus.Histogram
}

// serveCounted starts one at an address; a stopped one can be started anew there.
func serveCounted(t *testing.T, address string) (app *counted, stop func()) {
	t.Helper()
	reg := prometheus.NewRegistry()
	began := float64(time.Now().UnixMilli()) / 1000
	a := &counted{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests."}, []string{"status"}),
		dotted:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http.server.requests_total", Help: "Requests."}, []string{"http.response.status_code"}),
		both: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "http_request_duration_seconds", Help: "Response times, classic and native.",
			Buckets: []float64{.1, .5, 1, 5}, NativeHistogramBucketFactor: 1.1}),
		classic:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "page_duration_seconds", Help: "Response times, classic.", Buckets: []float64{.1, .3, 1}}),
		histogram: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "native_duration_seconds", Help: "Response times, native.", NativeHistogramBucketFactor: 1.1}),
	}
	reg.MustRegister(a.requests, a.dotted, a.both, a.classic, a.histogram,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "process_start_time_seconds", Help: "Start time."}, func() float64 { return began }))
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true})}
	go func() { _ = srv.Serve(l) }()
	stop = func() { _ = srv.Close() }
	t.Cleanup(stop)
	return a, stop
}

// serve counts some requests with a status and a response time.
func (a *counted) serve(n, status int, ms float64) {
	for range n {
		a.requests.WithLabelValues(strconv.Itoa(status)).Inc()
		a.dotted.WithLabelValues(strconv.Itoa(status)).Inc()
		for _, h := range []prometheus.Histogram{a.both, a.classic, a.histogram} {
			h.Observe(ms / 1000)
		}
	}
}
