package frozen

import (
	"encoding/binary"
	"math/bits"
)

const (
	hashBits   = 15
	maxChain   = 16
	minMatch   = 4
	maxMatch   = 258
	enough     = 32 // a match of this length is taken without looking further
	windowMask = windowLen - 1
	// Positions begin anew with a stream when they are past maxStart, and within
	// one after maxStream bytes: both fit into 32 bits.
	maxStart, maxStream = 1 << 30, 1 << 31
)

// token is a literal (dist 0, the byte in length) or a match.
type token struct{ length, dist uint16 }

// matcher finds repetitions. Positions go on from stream to stream, so that the
// tables need no clearing: what is before first belongs to another stream.
type matcher struct {
	head  [1 << hashBits]uint32 // by hash: the last position
	prev  [windowLen]uint32     // by position: the one before of the same hash
	first uint32
	next  uint32 // position of the next byte
}

func (m *matcher) begin() {
	if m.next > maxStart {
		*m = matcher{}
	}
	m.next++ // no position is 0
	m.first = m.next
}

func hash(b []byte) uint32 { return binary.LittleEndian.Uint32(b) * 0x9E3779B1 >> (32 - hashBits) }

// tokens appends the tokens of window[hist:].
func (m *matcher) tokens(out []token, window []byte, hist int) []token {
	// Where a stream of gigabytes begins anew does not depend on those before it.
	// Nothing is found across that point.
	if m.next-m.first >= maxStream {
		*m = matcher{next: 1, first: 1}
	}
	origin := m.next - uint32(hist) // of window[0]; it may wrap, as sums do
	m.next += uint32(len(window) - hist)
	length, dist := 0, 0 // the match at i, if known
	for i := hist; i < len(window); {
		if length == 0 {
			length, dist = m.find(window, i, origin)
		}
		if length == 0 {
			out = append(out, token{length: uint16(window[i])})
			m.insert(window, i, origin)
			i++
			continue
		}
		m.insert(window, i, origin)
		if length < enough {
			if l, d := m.find(window, i+1, origin); l > length {
				out = append(out, token{length: uint16(window[i])})
				i++
				length, dist = l, d
				continue
			}
		}
		out = append(out, token{uint16(length), uint16(dist)})
		for j := 1; j < length; j++ {
			m.insert(window, i+j, origin)
		}
		i += length
		length = 0
	}
	return out
}

func (m *matcher) insert(window []byte, i int, origin uint32) {
	if i+minMatch > len(window) {
		return
	}
	h := hash(window[i:])
	pos := origin + uint32(i)
	m.prev[pos&windowMask] = m.head[h]
	m.head[h] = pos
}

// find returns the longest match at i, the nearest among equals; 0 if none.
func (m *matcher) find(window []byte, i int, origin uint32) (length, dist int) {
	if i+minMatch > len(window) {
		return 0, 0
	}
	limit := min(maxMatch, len(window)-i)
	pos := origin + uint32(i)
	cand := m.head[hash(window[i:])]
	length = minMatch - 1
	for range maxChain {
		if cand < m.first || cand >= pos || pos-cand > windowLen {
			break
		}
		d := int(pos - cand)
		if l := common(window[i-d:], window[i:i+limit]); l > length {
			length, dist = l, d
			if l >= limit {
				break
			}
		}
		before := m.prev[cand&windowMask]
		if before >= cand {
			break
		}
		cand = before
	}
	if length < minMatch {
		return 0, 0
	}
	return length, dist
}

// common is the length of what a and b begin with; a is at least as long.
func common(a, b []byte) int {
	n := 0
	for n+8 <= len(b) {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
