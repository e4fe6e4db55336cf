package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/image/base"
	"github.com/fairlead-ci/fairlead/internal/image/bytecode"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
)

// The ways to treat byte code.
const (
	// BytecodeNone ships none: the image is the same whatever the builder has.
	BytecodeNone = "none"
	// BytecodeAuto compiles with this machine's CPython of the base's version,
	// where it has one: a faster start, in exchange for more bytes and for a digest
	// that the CPython takes part in.
	BytecodeAuto = "auto"
)

// compilers names the interpreters that byte code could come from, for the key
// of the cache; "" where none is made.
func (b *builder) compilers(ctx context.Context) string {
	if b.Bytecode != BytecodeAuto {
		return ""
	}
	var out []string
	for minor := oldestPython; minor <= newestPython; minor++ {
		if c, err := bytecode.Find(ctx, [2]int{3, minor}, exec.LookPath); err == nil {
			out = append(out, c.Key())
		}
	}
	return strings.Join(out, ",")
}

// The minor versions of Python 3 that a compiler is looked for of.
const (
	oldestPython = 9
	newestPython = 20
)

// compile makes the byte code of files, as entries beside them.
func (b *builder) compile(ctx context.Context, f base.Facts, files []bytecode.Source) ([]layer.Entry, error) {
	if b.Bytecode != BytecodeAuto || len(files) == 0 {
		return nil, nil
	}
	c, err := bytecode.Find(ctx, f.Target.Python, exec.LookPath)
	if errors.Is(err, bytecode.ErrNone) || f.Target.FreeThreaded {
		b.note("there is no byte code in the image: this machine has no CPython %d.%d to compile it with", f.Target.Python[0], f.Target.Python[1])
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("making byte code: %w", err)
	}
	out, err := os.CreateTemp(b.work, "bytecode-*")
	if err != nil {
		return nil, fmt.Errorf("making byte code: %w", err)
	}
	b.store.open = append(b.store.open, out)
	slices.SortFunc(files, func(x, y bytecode.Source) int { return strings.Compare(x.Path, y.Path) })
	codes, differing, err := c.Compile(ctx, files, out)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		b.note("there is no byte code in the image: %v", err)
		return nil, nil
	}
	if len(differing) > 0 {
		b.note("%s without byte code, because two runs of the compiler did not agree: %s", plural(len(differing), "file is", "files are"), differing[0])
	}
	b.byteCode = "CPython " + c.Version
	var entries []layer.Entry
	for _, code := range codes {
		entries = append(entries, layer.Entry{Path: code.Path, Mode: 0o644, Size: code.Size,
			Open: func() (io.ReadCloser, error) {
				return io.NopCloser(io.NewSectionReader(out, code.Offset, code.Size)), nil
			}})
	}
	return entries, nil
}

// compileWheels makes the layer of the dependencies' byte code; nil where there
// is none.
func (b *builder) compileWheels(ctx context.Context, f base.Facts, wheels []built) (*layer.Layer, error) {
	site := strings.TrimPrefix(siteOf(f.Target.Python), venvDir+"/") + "/"
	var files []bytecode.Source
	seen := map[string]bool{}
	for _, w := range wheels {
		for _, file := range w.Files {
			if strings.HasSuffix(file.Path, ".py") && strings.HasPrefix(file.Path, site) && !seen[file.Path] {
				seen[file.Path] = true
				files = append(files, bytecode.Source{Path: venvDir + "/" + file.Path, Size: file.Size, Open: file.Open})
			}
		}
	}
	entries, err := b.compile(ctx, f, files)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	l, err := layer.FromEntries(entries, b.work)
	if err != nil {
		return nil, fmt.Errorf("making the layer of byte code: %w", err)
	}
	l.From, l.Comment = "bytecode", "byte code of the dependencies, by "+b.byteCode
	return l, nil
}

// compileApplication adds the application's byte code to its entries.
func (b *builder) compileApplication(ctx context.Context, f base.Facts, app *application) error {
	var files []bytecode.Source
	for _, e := range app.entries {
		if strings.HasSuffix(e.Path, ".py") && e.Open != nil {
			files = append(files, bytecode.Source{Path: e.Path, Size: e.Size, Open: e.Open})
		}
	}
	entries, err := b.compile(ctx, f, files)
	app.entries = append(app.entries, entries...)
	return err
}
