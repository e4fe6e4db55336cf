package frozen

import "math/bits"

const (
	stored = iota
	fixed
	dynamic
)

const maxStored = 65535

// bitWriter writes bits, the lowest first.
type bitWriter struct {
	out []byte
	acc uint64
	n   uint // bits in acc
}

// fill is the number of bits in the byte that is not complete.
func (w *bitWriter) fill() int { return int(w.n % 8) }

func (w *bitWriter) add(v uint64, n uint) {
	w.acc |= v << w.n
	w.n += n
	for w.n >= 8 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
		w.n -= 8
	}
}

func (w *bitWriter) flush() []byte {
	if w.n > 0 {
		w.out = append(w.out, byte(w.acc))
	}
	w.acc, w.n = 0, 0
	return w.out
}

// storedBits is the length of a stored block that begins fill bits into a byte.
func storedBits(n, fill int) int {
	total := 0
	for {
		part := min(n, maxStored)
		total += 3 + (8-(fill+3)%8)%8 + 32 + 8*part
		fill = 0
		if n -= part; n == 0 {
			return total
		}
	}
}

func (w *bitWriter) stored(content []byte, last uint64) {
	for {
		part := content[:min(len(content), maxStored)]
		content = content[len(part):]
		bit := last
		if len(content) > 0 {
			bit = 0
		}
		w.add(bit, 3)
		w.flush()
		n := uint16(len(part))
		w.out = append(w.out, byte(n), byte(n>>8), byte(^n), byte(^n>>8))
		w.out = append(w.out, part...)
		if len(content) == 0 {
			return
		}
	}
}

func (w *bitWriter) tokens(all []token, lit []uint8, litCodes []uint16, dist []uint8, distCodes []uint16) {
	for _, t := range all {
		if t.dist == 0 {
			w.add(uint64(litCodes[t.length]), uint(lit[t.length]))
			continue
		}
		s, extra, n := lengthSymbol(int(t.length))
		w.add(uint64(litCodes[s]), uint(lit[s]))
		w.add(uint64(extra), uint(n))
		s, extra, n = distSymbol(int(t.dist))
		w.add(uint64(distCodes[s]), uint(dist[s]))
		w.add(uint64(extra), uint(n))
	}
	w.add(uint64(litCodes[endOfBlock]), uint(lit[endOfBlock]))
}

func (t *table) write(w *bitWriter) {
	w.add(uint64(t.hlit-257), 5)
	w.add(uint64(t.hdist-1), 5)
	w.add(uint64(t.hclen-4), 4)
	for _, s := range order[:t.hclen] {
		w.add(uint64(t.lengths[s]), 3)
	}
	c := codes(t.lengths[:])
	for _, r := range t.run {
		w.add(uint64(c[r.sym]), uint(t.lengths[r.sym]))
		w.add(uint64(r.extra), uint(r.bits))
	}
}

// count tallies symbols and returns the number of extra bits.
func count(all []token, lit *[numLit]uint32, dist *[numDist]uint32) int {
	extra := 0
	for _, t := range all {
		if t.dist == 0 {
			lit[t.length]++
			continue
		}
		s, _, n := lengthSymbol(int(t.length))
		lit[s]++
		extra += n
		s, _, n = distSymbol(int(t.dist))
		dist[s]++
		extra += n
	}
	lit[endOfBlock]++
	return extra
}

// lengthSymbol is the symbol of a match's length, and its extra bits (section
// 3.2.5).
func lengthSymbol(length int) (sym, extra, n int) {
	if length == maxMatch {
		return 285, 0, 0
	}
	v := length - 3
	if v < 8 {
		return 257 + v, 0, 0
	}
	n = bits.Len(uint(v)) - 3
	return 257 + 4*n + v>>n, v & (1<<n - 1), n
}

// distSymbol is the symbol of a match's distance, and its extra bits.
func distSymbol(dist int) (sym, extra, n int) {
	v := dist - 1
	if v < 4 {
		return v, 0, 0
	}
	n = bits.Len(uint(v)) - 2
	return 2*n + v>>n, v & (1<<n - 1), n
}
