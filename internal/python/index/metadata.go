package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxMetadata bounds a METADATA file: the largest real ones have some 100 kB.
const maxMetadata = 8 << 20

// ErrNoMetadata says that an index does not serve a file's METADATA by itself.
var ErrNoMetadata = errors.New("the index has no metadata apart from the file")

// maxParts bounds how much of a file is fetched in parts.
const (
	partSize = 64 << 10
	maxParts = 64
)

// Remote is a file of an index that is read in parts, so that a wheel's METADATA
// can be had without the wheel. It serves one goroutine.
type Remote struct {
	ctx   context.Context
	c     *Client
	f     File
	size  int64
	parts map[int64][]byte
}

// Open asks how long a file is, and for its end.
func (c *Client) Open(ctx context.Context, f File) (*Remote, int64, error) {
	r := &Remote{ctx: ctx, c: c, f: f, parts: map[int64][]byte{}}
	err := c.tryRange(ctx, f.URL, f.Name, "bytes=0-0", func(resp *http.Response) error {
		_, total, ok := strings.Cut(resp.Header.Get("Content-Range"), "/")
		size, err := strconv.ParseInt(total, 10, 64)
		if !ok || err != nil || resp.StatusCode != http.StatusPartialContent {
			return permanent(fmt.Errorf("%w, and serves no parts of it", ErrNoMetadata))
		}
		r.size = size
		return nil
	})
	return r, r.size, err
}

// ReadAt implements io.ReaderAt.
func (r *Remote) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		if at >= r.size {
			return n, io.EOF
		}
		part, err := r.part(at / partSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], part[min(int64(len(part)), at%partSize):])
		if at%partSize >= int64(len(part)) {
			return n, io.ErrUnexpectedEOF
		}
	}
	return n, nil
}

func (r *Remote) part(i int64) ([]byte, error) {
	if data, ok := r.parts[i]; ok {
		return data, nil
	}
	if len(r.parts) == maxParts {
		return nil, fmt.Errorf("%s: more than %d parts would be needed", r.f.Name, maxParts)
	}
	from, to := i*partSize, min((i+1)*partSize, r.size)-1
	var data []byte
	err := r.c.tryRange(r.ctx, r.f.URL, r.f.Name, fmt.Sprintf("bytes=%d-%d", from, to), func(resp *http.Response) error {
		var err error
		if data, err = io.ReadAll(io.LimitReader(resp.Body, partSize)); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusPartialContent || int64(len(data)) != to-from+1 {
			return errors.New("it sent another part than was asked for")
		}
		return nil
	})
	if err == nil {
		r.parts[i] = data
	}
	return data, err
}

// Metadata fetches a file's METADATA (PEP 658), verified where the index gives
// its hash.
func (c *Client) Metadata(ctx context.Context, f File) ([]byte, error) {
	if !f.Metadata {
		return nil, fmt.Errorf("%s: %w", f.Name, ErrNoMetadata)
	}
	var data []byte
	err := c.try(ctx, f.URL+".metadata", f.Name+".metadata", func(resp *http.Response) error {
		var err error
		if data, err = io.ReadAll(io.LimitReader(resp.Body, maxMetadata+1)); err != nil {
			return err
		}
		if len(data) > maxMetadata {
			return permanent(fmt.Errorf("the answer is larger than %d MiB", maxMetadata>>20))
		}
		if sum := sha256.Sum256(data); f.MetadataHash != "" && hex.EncodeToString(sum[:]) != f.MetadataHash {
			return permanent(errors.New("its hash is not the one that the index gives"))
		}
		return nil
	})
	if errors.Is(err, ErrNoProject) {
		return nil, fmt.Errorf("%s: %w", f.Name, ErrNoMetadata)
	}
	return data, err
}
