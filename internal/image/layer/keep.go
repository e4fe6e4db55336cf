package layer

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/disk"
)

// kept is the note beside a kept layer.
type kept struct {
	Digest v1.Hash `json:"digest"`
	DiffID v1.Hash `json:"diff_id"`
	TOC    v1.Hash `json:"toc"`
	Plain  int64   `json:"uncompressed_size"`
}

var errChanged = errors.New("the kept layer is not what it was")

// Keep copies a layer to a file of a cache, from which Kept takes it again.
func (l *Layer) Keep(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("keeping a layer: %w", err)
	}
	note, err := json.Marshal(kept{l.digest, l.diffID, l.toc, l.plain})
	if err != nil {
		return fmt.Errorf("keeping a layer: %w", err)
	}
	from, err := l.Compressed()
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	if err := disk.Put(file, 0, disk.From(from)); err != nil {
		return fmt.Errorf("keeping a layer: %w", err)
	}
	// The note comes last: without it the copy does not count.
	if err := os.WriteFile(file+".json", note, 0o644); err != nil {
		return fmt.Errorf("keeping a layer: %w", err)
	}
	return nil
}

// Kept copies a kept layer into dir, as FromEntries would have made it. It is
// hashed on the way, compressed and not, so that damage is noticed; whoever may
// write to the cache is trusted with what is kept there.
func Kept(file, dir string) (*Layer, error) {
	raw, err := os.ReadFile(file + ".json")
	if err != nil {
		return nil, fmt.Errorf("taking a kept layer: %w", err)
	}
	var note kept
	if err := json.Unmarshal(raw, &note); err != nil {
		return nil, fmt.Errorf("taking a kept layer: %w", err)
	}
	in, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("taking a kept layer: %w", err)
	}
	defer func() { _ = in.Close() }()
	own, err := os.CreateTemp(dir, "layer-*.tar.gz")
	if err != nil {
		return nil, fmt.Errorf("taking a kept layer: %w", err)
	}
	packed := sha256.New()
	n, err := io.Copy(io.MultiWriter(own, packed), in)
	if closing := own.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, fmt.Errorf("taking a kept layer: %w", err)
	}
	l := &Layer{blob: fileBlob(own.Name(), n), digest: sum(packed)}
	plain, err := l.Uncompressed()
	if err != nil {
		return nil, fmt.Errorf("taking a kept layer: %w", err)
	}
	defer func() { _ = plain.Close() }()
	unpacked := sha256.New()
	if l.plain, err = io.Copy(unpacked, plain); err != nil {
		return nil, fmt.Errorf("taking a kept layer: %w", err)
	}
	l.diffID, l.toc = sum(unpacked), note.TOC
	if l.digest != note.Digest || l.diffID != note.DiffID || l.plain != note.Plain {
		return nil, errChanged
	}
	return l, nil
}
