package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/fairlead-ci/fairlead/internal/disk"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin"
	"github.com/fairlead-ci/fairlead/internal/pin/online"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/version"
)

// source makes what answers --online, --fix and --diff. save writes the answers
// where --save-resolution says.
func (c *pinCheckCmd) source(s *session, cfg *pin.Config) (save func() error, err error) {
	save = func() error { return nil }
	switch {
	case (c.Fix || c.Diff) && !c.Online && c.Resolution == "":
		return nil, failure.New(failure.Usage, "--online asks for them; --resolution FILE takes them from a file", "--fix and --diff need to know the commits, digests and versions")
	case c.SaveResolution != "" && !c.Online:
		return nil, failure.New(failure.Usage, "add --online", "--save-resolution: there are no answers to save")
	}
	var sources pin.Sources
	if c.Resolution != "" {
		f, err := os.Open(c.Resolution)
		if err != nil {
			return nil, failure.Wrap(failure.Usage, "", fmt.Errorf("--resolution: %w", err))
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, pin.MaxResolution+1))
		switch {
		case err != nil:
			return nil, failure.Wrap(failure.Usage, "", fmt.Errorf("--resolution: %w", err))
		case len(data) > pin.MaxResolution:
			return nil, failure.New(failure.Usage, "", "--resolution %s: it is larger than %d MiB", c.Resolution, pin.MaxResolution>>20)
		}
		r, err := pin.ReadResolution(c.Resolution, data)
		if err != nil {
			return nil, err
		}
		sources = append(sources, r)
	}
	if c.Online {
		conf, err := s.indexConfig("", nil, nil)
		if err != nil {
			return nil, err
		}
		idx, err := index.New(conf)
		if err != nil {
			return nil, err
		}
		sources = append(sources, &online.Source{API: s.Getenv("GITHUB_API_URL"), Server: s.Getenv("GITHUB_SERVER_URL"), Token: s.githubToken(), UserAgent: "fairlead/" + version.Version,
			Registry: s.registry(nil, nil), Index: idx})
	}
	if len(sources) == 0 {
		return save, nil
	}
	rec := &pin.Recorder{Source: sources}
	cfg.Source, cfg.Verify, cfg.Fix = rec, c.Online, c.Fix || c.Diff
	if c.SaveResolution != "" {
		save = func() error {
			var b bytes.Buffer
			if err := finding.WriteJSON(&b, rec.Resolution()); err != nil {
				return err
			}
			return os.WriteFile(c.SaveResolution, b.Bytes(), 0o644)
		}
	}
	return save, nil
}

// changes are the edits of all fixes, by file.
type changes struct {
	files map[string][]finding.Edit
	data  map[string][]byte // the files as they were read
	count int               // of the findings that are fixed
}

// changesOf gathers the fixes that go together: one that overlaps an earlier one
// waits for the next run.
func changesOf(fsys fs.FS, findings []finding.Finding) (*changes, error) {
	c := &changes{files: map[string][]finding.Edit{}, data: map[string][]byte{}}
	for _, f := range findings {
		if f.Fix == nil {
			continue
		}
		fits := true
		tried := map[string][]finding.Edit{}
		for _, e := range f.Fix.Edits {
			if _, ok := c.data[e.Path]; !ok {
				data, err := fs.ReadFile(fsys, e.Path)
				if err != nil {
					return nil, fmt.Errorf("fixing: %w", err)
				}
				c.data[e.Path] = data
			}
			if _, ok := tried[e.Path]; !ok {
				tried[e.Path] = slices.Clone(c.files[e.Path])
			}
			tried[e.Path] = append(tried[e.Path], e)
		}
		for name, edits := range tried {
			_, err := finding.Apply(c.data[name], edits)
			fits = fits && err == nil
		}
		if fits {
			maps.Copy(c.files, tried)
			c.count++
		}
	}
	return c, nil
}

func (c *changes) diff(w io.Writer) error {
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		d, err := finding.Diff(name, c.data[name], c.files[name])
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, d); err != nil {
			return err
		}
	}
	if len(c.files) > 0 {
		fmt.Fprintln(w)
	}
	return nil
}

// write replaces the files, each in one step and with its mode. A file that has
// changed since it was checked is not touched.
func (c *changes) write(root string) error {
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		after, err := finding.Apply(c.data[name], c.files[name])
		if err != nil {
			return err
		}
		if err := replace(filepath.Join(root, filepath.FromSlash(name)), c.data[name], after); err != nil {
			return failure.Wrap(failure.Usage, "files before it in the alphabet are fixed; running again does the rest", fmt.Errorf("fixing %s: %w", name, err))
		}
	}
	return nil
}

// maxRounds bounds how often fixes make further fixes possible.
const maxRounds = 4

// writeAll writes the changes, and those that they make possible, and says what
// is left. Nothing is asked twice.
func (c *changes) writeAll(ctx context.Context, root string, fsys fs.FS, cfg pin.Config) (pin.Report, error) {
	if rec, ok := cfg.Source.(*pin.Recorder); ok {
		known := rec.Resolution()
		cfg.Source = pin.Sources{&known, cfg.Source}
	}
	more := c
	for round := 1; ; round++ {
		if err := more.write(root); err != nil {
			return pin.Report{}, err
		}
		rep, err := pin.Check(ctx, fsys, cfg)
		if err != nil {
			return rep, err
		}
		if more, err = changesOf(fsys, rep.Findings); err != nil || len(more.files) == 0 || round == maxRounds {
			return rep, err
		}
		c.count += more.count
		for name, edits := range more.files {
			c.files[name] = append(c.files[name], edits...)
		}
	}
}

func replace(file string, before, after []byte) error {
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is no regular file")
	}
	now, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, before) {
		return fmt.Errorf("it was changed while it was checked")
	}
	return disk.Replace(file, info.Mode().Perm(), disk.Bytes(after))
}

func (c *changes) sentence(written bool) string {
	if c.count == 0 {
		return "nothing to fix that the answers reach"
	}
	verb := "would fix"
	if written {
		verb = "fixed"
	}
	return fmt.Sprintf("%s %s in %s", verb, finding.Plural(c.count, "finding"), finding.Plural(len(c.files), "file"))
}
