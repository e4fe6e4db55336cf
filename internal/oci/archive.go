package oci

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// WriteLayoutArchive writes an image or index as an OCI layout in one tar file,
// named tag if tag is not empty. The same content gives the same bytes. work is
// a folder for what is written before.
func WriteLayoutArchive(w io.Writer, what Artifact, tag, work string) error {
	dir, err := os.MkdirTemp(work, "layout-*")
	if err != nil {
		return fmt.Errorf("making a folder for the layout: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := fill(dir, what, tag); err != nil {
		return fmt.Errorf("writing OCI layout: %w", err)
	}
	tw := tar.NewWriter(w)
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error { // in lexical order
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: filepath.ToSlash(rel), Typeflag: tar.TypeReg, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
		if d.IsDir() {
			h.Name, h.Typeflag, h.Mode = h.Name+"/", tar.TypeDir, 0o755
			return tw.WriteHeader(h)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if h.Size = info.Size(); h.Size >= 8<<30 {
			h.Format = tar.FormatPAX
		}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		_, err = io.Copy(tw, f)
		return err
	})
	if err == nil {
		err = tw.Close()
	}
	if err != nil {
		return fmt.Errorf("writing an archive of an OCI layout: %w", err)
	}
	return nil
}
