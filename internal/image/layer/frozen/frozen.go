// Package frozen is a deflate encoder (RFC 1951) whose output never changes: it
// is part of the layout of image layers, whose digests must be the same with
// every release of Fairlead and of Go. Compressors of libraries improve, and
// that changes digests; this one does not. What it does, exactly:
//
//   - The input is cut into blocks of 65 535 bytes. Matches are looked for within the
//     32 KiB before, at most 16 candidates back in a chain of equal hashes of
//     four bytes, taken one byte later when that gives a longer one, and never
//     reach over the end of a block.
//   - A block is stored, or has the fixed codes, or (from 1 KiB on) codes of its
//     own, whichever is the smallest in bits; the first of them among equals.
//
// A test pins its bytes. To change anything here is to change the layout of
// layers (layer.LayoutVersion), and every digest with it.
package frozen

import (
	"errors"
	"io"
)

const (
	blockLen  = 65535 // what a stored block holds
	windowLen = 32 << 10
	// ownCodesFrom is the length from which codes of its own are tried: below, a
	// tar header, say, the table would cost more than it saves.
	ownCodesFrom = 1 << 10
)

// Encoder encodes one stream after the other. The zero value is ready; it is
// not safe for concurrent use.
type Encoder struct {
	m      matcher
	tokens []token
	buffer []byte
}

// Append encodes src as one complete stream and appends it to dst.
func (e *Encoder) Append(dst, src []byte) []byte {
	e.m.begin()
	w := bitWriter{out: dst}
	for at := 0; ; {
		end := min(at+blockLen, len(src))
		hist := min(at, windowLen)
		e.block(&w, src[at-hist:end], hist, end == len(src))
		if at = end; at == len(src) {
			return w.flush()
		}
	}
}

// Copy encodes what r delivers as one complete stream, the same as Append's. It
// returns the number of bytes read.
func (e *Encoder) Copy(dst io.Writer, r io.Reader) (int64, error) {
	e.m.begin()
	if e.buffer == nil {
		e.buffer = make([]byte, windowLen+blockLen+1)
	}
	var w bitWriter
	var total int64
	hist, ahead := 0, 0 // bytes before the block; bytes of it that are there
	for {
		// One byte more than a block shows whether this is the last.
		n, err := io.ReadFull(r, e.buffer[hist+ahead:hist+blockLen+1])
		total += int64(n)
		ahead += n
		final := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !final {
			return total, err
		}
		length := min(ahead, blockLen)
		e.block(&w, e.buffer[:hist+length], hist, final)
		if final {
			w.flush()
		}
		if _, err := dst.Write(w.out); err != nil {
			return total, err
		}
		if final {
			return total, nil
		}
		w.out = w.out[:0]
		keep := min(hist+length, windowLen)
		copy(e.buffer, e.buffer[hist+length-keep:hist+ahead])
		hist, ahead = keep, ahead-length
	}
}

// block encodes window[hist:], with window[:hist] as what stands before it.
func (e *Encoder) block(w *bitWriter, window []byte, hist int, final bool) {
	e.tokens = e.m.tokens(e.tokens[:0], window, hist)
	content := window[hist:]
	var lit [numLit]uint32
	var dist [numDist]uint32
	extra := count(e.tokens, &lit, &dist)

	kind, best := stored, storedBits(len(content), w.fill())
	if n := 3 + cost(lit[:], fixedLit[:]) + cost(dist[:], fixedDist[:]) + extra; n < best {
		kind, best = fixed, n
	}
	var own table
	if len(content) >= ownCodesFrom {
		own.make(&lit, &dist)
		if n := 3 + own.headerBits() + cost(lit[:], own.lit[:]) + cost(dist[:], own.dist[:]) + extra; n < best {
			kind = dynamic
		}
	}
	last := uint64(0)
	if final {
		last = 1
	}
	switch kind {
	case stored:
		w.stored(content, last)
	case fixed:
		w.add(last|1<<1, 3)
		w.tokens(e.tokens, fixedLit[:], fixedLitCodes[:], fixedDist[:], fixedDistCodes[:])
	case dynamic:
		w.add(last|2<<1, 3)
		own.write(w)
		litCodes, distCodes := codes(own.lit[:]), codes(own.dist[:])
		w.tokens(e.tokens, own.lit[:], litCodes, own.dist[:], distCodes)
	}
}
