// Package seqtest holds the statistics of the canary judge: tests that may be
// looked at after every tick, for as long as one likes, without raising the
// chance of a false alarm.
//
// Everything is a pure function of counts: no clock, no I/O, and no randomness
// but the seeded one of [Test.Calibrated].
// A [Process] describes one test; [Process.Step] takes a [State] and the counts
// of one tick and returns the next State. [Test] adds the defence against
// misaligned scrapes, [Ratio] inverts the test into an interval for "how many
// times worse", [Latency] judges response times at several thresholds and
// [Quantile] one quantile, [Disperse] measures how clustered errors are,
// [Combine] and [Culprits] judge several metrics together, [SRM] checks the
// traffic share, [Forecast] says beforehand how long a verdict will take, and
// [GaugeExcess] advises about what is no count.
//
// # Why the evidence can be trusted
//
// Per tick the canary serves n_a requests, x_a of them bad, and the baseline
// n_b and x_b. The null hypothesis is a half-plane: p_a <= rho*p_b + delta for
// the FAIL side, >= for the PASS side. Against an alternative (th_a, th_b),
// chosen before the tick is seen, the tick's factor is the likelihood ratio
//
//	S = (th_a/a0)^x_a ((1-th_a)/(1-a0))^(n_a-x_a) · the same for b
//
// where (a0, b0) is the point of the null's border closest to the alternative
// in n-weighted Kullback-Leibler divergence. Then E[S] = f_a^n_a f_b^n_b with
// f_a = 1 + (p_a-a0)(th_a-a0)/(a0(1-a0)) and f_b alike; by the inequality of
// arithmetic and geometric means E[S] <= ((n_a f_a + n_b f_b)/n)^n, and the
// first-order optimality of (a0, b0) over the convex null makes that at most 1
// wherever the null holds. The product over ticks is a supermartingale under
// any common change of the rates and any traffic share, and Ville's inequality
// gives P(sup E >= 1/alpha) <= alpha.
//
// For rho = 1, delta = 0 this is Turner, Ly, Grünwald (arXiv 2106.02693);
// convex nulls are in arXiv 2203.09785.
//
// # Limits
//
// Counts are int64 and exact up to 2^53. Evidence is kept as a natural
// logarithm and never exponentiated here. Counts that cannot be (negative, more
// bad than all) are no evidence: a step ignores them.
package seqtest
