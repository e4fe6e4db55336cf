package oci

import "io"

// watch makes a blob tell how much of it was read, which is as much as was sent.
func (b content) watch(moving func(digest string, done, size int64)) content {
	if moving == nil {
		return b
	}
	open := b.open
	b.open = func() (io.ReadCloser, error) {
		r, err := open()
		if err != nil {
			return nil, err
		}
		w := &watched{ReadCloser: r, told: func(done int64) { moving(b.digest, done, b.size) }}
		if _, ok := r.(skipper); ok {
			return &watchedSkipper{w}, nil
		}
		return w, nil
	}
	return b
}

type watched struct {
	io.ReadCloser
	done int64
	told func(int64)
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if w.done += int64(n); n > 0 {
		w.told(w.done)
	}
	return n, err
}

type watchedSkipper struct{ *watched }

// Skip implements skipper.
func (w *watchedSkipper) Skip(n int64) error {
	k, ok := w.ReadCloser.(skipper)
	if !ok {
		return io.ErrUnexpectedEOF
	}
	w.done += n
	return k.Skip(n)
}
