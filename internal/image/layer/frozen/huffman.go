package frozen

import (
	"cmp"
	"math/bits"
	"slices"
)

const (
	numLit, numDist, numLen = 286, 30, 19
	endOfBlock              = 256
	maxCode, maxLenCode     = 15, 7
)

// lengths gives each symbol that occurs a code length of at most limit bits, so
// that the code is complete (a Huffman code, flattened where it is too deep).
// With fewer than two symbols the first ones stand in: some decoders want two.
func lengths(freq []uint32, limit int, out []uint8) {
	type leaf struct {
		sym  int
		freq uint32
	}
	var leaves []leaf
	for s, f := range freq {
		out[s] = 0
		if f > 0 {
			leaves = append(leaves, leaf{s, f})
		}
	}
	for s := 0; len(leaves) < 2; s++ {
		if freq[s] == 0 {
			leaves = append(leaves, leaf{s, 0})
		}
	}
	slices.SortFunc(leaves, func(a, b leaf) int {
		return cmp.Or(cmp.Compare(a.freq, b.freq), cmp.Compare(a.sym, b.sym))
	})
	n := len(leaves)
	// Two queues: leaves by weight, and inner nodes in the order they are made,
	// which is by weight, too. A leaf goes first among equals.
	weight := make([]uint64, 2*n-1)
	parent := make([]int, 2*n-1)
	for i, l := range leaves {
		weight[i] = uint64(l.freq)
	}
	a, b := 0, n
	for made := n; made < 2*n-1; made++ {
		for range 2 {
			take := b
			if a < n && (b >= made || weight[a] <= weight[b]) {
				take = a
				a++
			} else {
				b++
			}
			weight[made] += weight[take]
			parent[take] = made
		}
	}
	depth := make([]int, 2*n-1)
	var number [64]int
	for i := 2*n - 3; i >= 0; i-- {
		depth[i] = depth[parent[i]] + 1
		if i < n {
			number[min(depth[i], limit)]++
		}
	}
	// Leaves that were too deep made the code too large: lengthen others.
	total := 0
	for l := 1; l <= limit; l++ {
		total += number[l] << (limit - l)
	}
	for ; total > 1<<limit; total-- {
		number[limit]--
		for l := limit - 1; l > 0; l-- {
			if number[l] > 0 {
				number[l]--
				number[l+1] += 2
				break
			}
		}
	}
	i := n // the most frequent get the shortest
	for l := 1; l <= limit; l++ {
		for range number[l] {
			i--
			out[leaves[i].sym] = uint8(l)
		}
	}
}

// codes are the canonical codes of some lengths, their bits reversed as they
// are written.
func codes(lengths []uint8) []uint16 {
	var number, next [maxCode + 1]int
	for _, l := range lengths {
		number[l]++
	}
	number[0] = 0
	for l, code := 1, 0; l <= maxCode; l++ {
		code = (code + number[l-1]) << 1
		next[l] = code
	}
	out := make([]uint16, len(lengths))
	for s, l := range lengths {
		if l > 0 {
			out[s] = bits.Reverse16(uint16(next[l])) >> (16 - l)
			next[l]++
		}
	}
	return out
}

// cost is the length in bits of symbols that occur freq times.
func cost(freq []uint32, lengths []uint8) int {
	n := 0
	for s, f := range freq {
		n += int(f) * int(lengths[s])
	}
	return n
}

// fixedLit, fixedDist and their codes are those of RFC 1951, section 3.2.6.
var (
	fixedLit = func() (out [288]uint8) {
		for s := range out {
			switch {
			case s < 144:
				out[s] = 8
			case s < 256:
				out[s] = 9
			case s < 280:
				out[s] = 7
			default:
				out[s] = 8
			}
		}
		return out
	}()
	fixedDist = func() (out [numDist]uint8) {
		for s := range out {
			out[s] = 5
		}
		return out
	}()
	fixedLitCodes  = codes(fixedLit[:])
	fixedDistCodes = codes(fixedDist[:])
)

// table is a pair of codes and how it is told (section 3.2.7).
type table struct {
	lit     [numLit]uint8
	dist    [numDist]uint8
	hlit    int
	hdist   int
	run     []run
	lengths [numLen]uint8
	hclen   int
}

// run is a code length symbol with its extra bits.
type run struct{ sym, extra, bits uint8 }

// order is how the lengths of the length codes follow one another.
var order = [numLen]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (t *table) make(lit *[numLit]uint32, dist *[numDist]uint32) {
	lengths(lit[:], maxCode, t.lit[:])
	lengths(dist[:], maxCode, t.dist[:])
	t.hlit, t.hdist = used(t.lit[:], 257), used(t.dist[:], 1)
	t.run = runs(append(slices.Clone(t.lit[:t.hlit]), t.dist[:t.hdist]...))
	var freq [numLen]uint32
	for _, r := range t.run {
		freq[r.sym]++
	}
	lengths(freq[:], maxLenCode, t.lengths[:])
	t.hclen = numLen
	for t.hclen > 4 && t.lengths[order[t.hclen-1]] == 0 {
		t.hclen--
	}
}

func used(lengths []uint8, least int) int {
	n := len(lengths)
	for n > least && lengths[n-1] == 0 {
		n--
	}
	return n
}

// runs is the run-length form of code lengths.
func runs(all []uint8) []run {
	var out []run
	for i := 0; i < len(all); {
		n := 1
		for i+n < len(all) && all[i+n] == all[i] {
			n++
		}
		v := all[i]
		i += n
		if v != 0 {
			out = append(out, run{sym: v})
			n--
		}
		for n >= 3 {
			switch {
			case v != 0:
				k := min(n, 6)
				out = append(out, run{16, uint8(k - 3), 2})
				n -= k
			case n >= 11:
				k := min(n, 138)
				out = append(out, run{18, uint8(k - 11), 7})
				n -= k
			default:
				out = append(out, run{17, uint8(n - 3), 3})
				n = 0
			}
		}
		for range n {
			out = append(out, run{sym: v})
		}
	}
	return out
}

func (t *table) headerBits() int {
	n := 5 + 5 + 4 + 3*t.hclen
	for _, r := range t.run {
		n += int(t.lengths[r.sym]) + int(r.bits)
	}
	return n
}
