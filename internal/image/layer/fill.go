package layer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/image/layer/frozen"
)

const (
	// maxWhole is the largest file that is held in memory; larger ones stream.
	maxWhole = 8 << 20
	// maxAhead bounds the bytes of files that are ready before their turn.
	maxAhead = 32 << 20
)

// job is a file on its way into the layer.
type job struct {
	e      Entry
	stream bool // too large to be held
	weight int64
	done   chan struct{}

	packed  []byte // as it enters the layer: the wheel's, or encoded
	content []byte
	crc     uint32
	digest  [32]byte
	err     error
}

// fill adds the entries. Files are inflated, or encoded, on all processors;
// they enter the layer in order.
func (a *assembly) fill(entries []Entry) error {
	workers := min(runtime.GOMAXPROCS(0), 8)
	todo, turn := make(chan *job, workers), make(chan *job, 512)
	quit := make(chan struct{})
	budget := &budget{left: maxAhead}
	budget.change = sync.NewCond(&budget.mu)
	free := &buffers{}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer budget.close()
	defer close(quit)
	for range workers {
		wg.Go(func() {
			w := &worker{buffers: free}
			for j := range todo {
				w.do(j)
				close(j.done)
			}
		})
	}
	wg.Go(func() {
		defer close(turn)
		defer close(todo)
		for _, e := range entries {
			j := &job{e: e, done: make(chan struct{})}
			whole := e.Mode.Type() == 0 && e.Size > 0
			if whole {
				j.weight = e.Size
				if e.Raw != nil {
					j.weight += e.Raw.Size
				}
				j.stream = j.weight > maxWhole
			}
			if whole && !j.stream {
				if !budget.take(j.weight) {
					return
				}
				select {
				case todo <- j:
				case <-quit:
					return
				}
			} else {
				close(j.done)
			}
			select {
			case turn <- j:
			case <-quit:
				return
			}
		}
	})
	s := &streamer{a: a}
	for j := range turn {
		<-j.done
		if err := a.enter(j, s); err != nil {
			return err
		}
		if !j.stream {
			budget.give(j.weight)
			free.put(j.content, j.packed)
		}
	}
	return nil
}

// enter adds one entry whose turn it is.
func (a *assembly) enter(j *job, s *streamer) error {
	switch {
	case j.err != nil:
		return j.err
	case j.weight == 0:
		return a.bare(j.e)
	case j.stream:
		return a.body(j.e, func() (uint32, [32]byte, error) { return s.file(j.e) })
	}
	return a.body(j.e, func() (uint32, [32]byte, error) {
		a.plain.Write(j.content)
		var err error
		switch r := j.e.Raw; {
		case r == nil:
			err = a.own(j.packed)
		case r.Stored:
			err = a.stored(j.e, 0, j.content, true)
		default:
			a.ranged(r, 0, j.packed)
		}
		return j.crc, j.digest, err
	})
}

// worker reads and checks files that fit into memory.
type worker struct {
	inflater inflater
	encoder  frozen.Encoder
	buffers  *buffers
}

func (w *worker) do(j *job) {
	j.err = w.read(j)
	if j.err != nil {
		return
	}
	j.crc = crc32.ChecksumIEEE(j.content)
	j.digest = sha256.Sum256(j.content)
	switch r := j.e.Raw; {
	case r == nil:
		j.packed = w.encoder.Append(w.buffers.get(0), j.content)
	case r.CRC32 != j.crc:
		j.err = damaged(j.e, errChecksum)
	}
}

func (w *worker) read(j *job) error {
	r := j.e.Raw
	j.content = w.buffers.get(int(j.e.Size))
	switch {
	case r == nil:
		return readOpen(j.e, j.content)
	case r.Stored:
		if r.Size != j.e.Size {
			return damaged(j.e, errSize)
		}
		if _, err := io.ReadFull(io.NewSectionReader(r.Archive, r.Offset, r.Size), j.content); err != nil {
			return damaged(j.e, err)
		}
		return nil
	}
	j.packed = w.buffers.get(int(r.Size))
	if _, err := io.ReadFull(io.NewSectionReader(r.Archive, r.Offset, r.Size), j.packed); err != nil {
		return damaged(j.e, err)
	}
	if err := w.inflater.all(j.content, j.packed); err != nil {
		return damaged(j.e, err)
	}
	return nil
}

var (
	errChecksum = errors.New("its checksum is wrong")
	errSize     = errors.New("it has another size than the directory says")
)

// readOpen reads a file of the machine's.
func readOpen(e Entry, into []byte) error {
	r, err := e.Open()
	if err != nil {
		return fmt.Errorf("opening %q for a layer: %w", e.Path, err)
	}
	defer func() { _ = r.Close() }()
	n, err := io.ReadFull(r, into)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("copying %q into a layer: %w", e.Path, err)
	}
	var one [1]byte
	if more, _ := io.ReadFull(r, one[:]); n < len(into) || more > 0 {
		return changed(e)
	}
	return nil
}

func changed(e Entry) error {
	return fmt.Errorf("copying %q into a layer: its length changed from %d bytes while it was read", e.Path, e.Size)
}

// budget bounds what is in memory. Taking happens in the order of giving, so
// that whoever waits is served in the end.
type budget struct {
	mu     sync.Mutex
	change *sync.Cond
	left   int64
	closed bool
}

func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.left < n && !b.closed {
		b.change.Wait()
	}
	b.left -= n
	return !b.closed
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
	b.change.Signal()
}

func (b *budget) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.change.Broadcast()
}

// buffers are used again: a wheel has thousands of files.
type buffers struct{ pool sync.Pool }

func (b *buffers) get(n int) []byte {
	if p, ok := b.pool.Get().(*[]byte); ok && cap(*p) >= n {
		return (*p)[:n]
	}
	return make([]byte, n, max(n, 32<<10))
}

func (b *buffers) put(all ...[]byte) {
	for _, p := range all {
		if cap(p) > 0 {
			b.pool.Put(&p)
		}
	}
}
