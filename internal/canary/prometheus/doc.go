// Package prometheus is the canary source for releases that a Prometheus
// watches. It reads raw samples (an instant query of a bare range selector) and
// counts in integers; rate and increase extrapolate and are never used.
//
// A window ends where every instance was scraped, on the server's clock; the
// runner's clock is used for nothing but pauses. A counter that falls began
// again at 0; a series that was not in the scrape before counts from 0; an
// instance that is new counts from 0 when its process started after the gate
// did, else from its second scrape on. What the server does not know is a gap:
// the next window is longer. A partial answer is no answer.
package prometheus
