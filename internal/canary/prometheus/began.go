package prometheus

// Prometheus can be told when a counter began (OpenMetrics, protobuf; feature flag
// created-timestamp-zero-ingestion), and then keeps a sample of 0 at that moment,
// which is no scrape: between two scrapes, before "up" and the process start time
// say anything.

// began says that a sample is such a beginning. Without "up" nothing tells it from
// a scrape.
func (s *scraped) began(p point) bool {
	if p.v != 0 || len(s.ups) == 0 {
		return false
	}
	for i := len(s.ups) - 1; i >= 0 && s.ups[i].ts >= p.ts; i-- {
		if s.ups[i].ts == p.ts {
			return false
		}
	}
	return true
}

// beganBefore says that a counter began before the gate did: what it counted since
// is not only the gate's.
func (t *tally) beganBefore(s *scraped, p point) bool {
	return t.Origin != 0 && p.ts <= t.Origin && s.began(p)
}

// startOf is the process start time that belongs to a sample: a beginning belongs
// to the process that the scrape after it finds.
func (s *scraped) startOf(p point) float64 {
	if s.began(p) {
		for _, start := range s.starts {
			if start.ts >= p.ts {
				return start.v
			}
		}
	}
	return s.startAt(p.ts)
}
