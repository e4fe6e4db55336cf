package canary

import (
	"math"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// shareWatch checks that the canary gets the share of the traffic it was given.
// Each stretch with one share has a test of its own, at a part of the level.
type shareWatch struct {
	share         float64
	canary, total int64
	stretches     int
}

// add counts a tick under a share; 0 means that none is known, and the tick says
// nothing.
func (w *shareWatch) add(share float64, c seqtest.Counts) {
	if share != w.share {
		w.share, w.canary, w.total = share, 0, 0
		w.stretches++
	}
	w.canary += c.Canary.N
	w.total += c.Canary.N + c.Baseline.N
}

// mismatch returns the real and the intended share when they differ for sure.
func (w *shareWatch) mismatch() (real, intended float64, ok bool) {
	needed := seqtest.Threshold(seqtest.SRMLevel) + math.Log(float64(max(1, w.stretches)))
	if w.total == 0 || seqtest.SRM(w.canary, w.total, w.share) < needed {
		return 0, 0, false
	}
	return float64(w.canary) / float64(w.total), w.share, true
}
