// Package bytecode compiles Python files for an image with a CPython of this
// machine. Compiling runs none of the code. What two processes of the same
// interpreter do not agree on is left out: byte code is not deterministic by
// nature (marshal's flags depend on reference counts), and an image is.
package bytecode

import (
	"bytes"
	"context"
	_ "embed" // for the program that compiles
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"
)

//go:embed compile.py
var program string

// Limits of a file and of its byte code.
const (
	maxSource = 8 << 20
	maxCode   = 64 << 20
)

// Compiler is a CPython of this machine.
type Compiler struct {
	Path string
	// Version is the whole version, Tag the part of a .pyc's name and Magic the
	// format in hex; together they determine what comes out.
	Version, Tag, Magic string
}

// Key names what determines byte code besides the source.
func (c *Compiler) Key() string { return c.Version + " " + c.Magic }

// ErrNone says that the machine has no interpreter for a Python.
var ErrNone = errors.New("no CPython of that version is on PATH")

const probe = `import sys, json, importlib.util as u; print(json.dumps([list(sys.version_info), sys.implementation.name, sys.implementation.cache_tag, u.MAGIC_NUMBER.hex()]))`

// Find looks for a released CPython of a minor version on PATH. look is
// exec.LookPath.
func Find(ctx context.Context, python [2]int, look func(string) (string, error)) (*Compiler, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, name := range []string{fmt.Sprintf("python%d.%d", python[0], python[1]), "python3", "python"} {
		file, err := look(name)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, file, "-I", "-S", "-c", probe).Output()
		if err != nil {
			continue
		}
		var said []any
		if json.Unmarshal(out, &said) != nil || len(said) != 4 || said[1] != "cpython" {
			continue
		}
		v, ok := said[0].([]any)
		tag, isTag := said[2].(string)
		magic, isMagic := said[3].(string)
		if !ok || !isTag || !isMagic || len(v) < 4 || v[3] != "final" || fmt.Sprint(v[0], v[1]) != fmt.Sprint(python[0], python[1]) {
			continue
		}
		return &Compiler{Path: file, Version: fmt.Sprintf("%v.%v.%v", v[0], v[1], v[2]), Tag: tag, Magic: magic}, nil
	}
	return nil, ErrNone
}

// Source is a Python file by its path in the image, without the first slash.
type Source struct {
	Path string
	Size int64
	Open func() (io.ReadCloser, error)
}

// Code is byte code: where it belongs, and which part of the output it is.
type Code struct {
	Path         string
	Offset, Size int64
}

// Compile writes the byte code of files to out and says where it is. Files that
// do not compile are passed over, as by pip; differing are those on which two
// runs did not agree.
func (c *Compiler) Compile(ctx context.Context, files []Source, out io.Writer) (codes []Code, differing []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers [2]*worker
	for i := range workers {
		if workers[i], err = c.start(ctx); err != nil {
			return nil, nil, err
		}
		defer workers[i].stop()
	}
	offset := int64(0)
	for _, f := range files {
		if f.Size > maxSource {
			continue
		}
		source, err := read(f)
		if err != nil {
			return nil, nil, err
		}
		var got [2][]byte
		for _, w := range workers { // both work at the same time
			if err := w.ask("/"+f.Path, source); err != nil {
				return nil, nil, fmt.Errorf("compiling %q: %w", f.Path, err)
			}
		}
		for i, w := range workers {
			if got[i], err = w.answer(); err != nil {
				return nil, nil, fmt.Errorf("compiling %q: %w", f.Path, err)
			}
		}
		switch {
		case !bytes.Equal(got[0], got[1]):
			differing = append(differing, f.Path)
			continue
		case len(got[0]) == 0:
			continue
		}
		if _, err := out.Write(got[0]); err != nil {
			return nil, nil, fmt.Errorf("compiling %q: %w", f.Path, err)
		}
		codes = append(codes, Code{Path: c.place(f.Path), Offset: offset, Size: int64(len(got[0]))})
		offset += int64(len(got[0]))
	}
	return codes, differing, nil
}

// place is where CPython looks for a file's byte code (PEP 3147).
func (c *Compiler) place(file string) string {
	return path.Join(path.Dir(file), "__pycache__", strings.TrimSuffix(path.Base(file), ".py")+"."+c.Tag+".pyc")
}

func read(f Source) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("opening %q: %w", f.Path, err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(io.LimitReader(r, maxSource))
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", f.Path, err)
	}
	return b, nil
}

// worker is an interpreter that compiles.
type worker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader
}

func (c *Compiler) start(ctx context.Context) (*worker, error) {
	// Isolated: neither the user's packages nor PYTHON… variables count, and each
	// process has a hash seed of its own.
	cmd := exec.CommandContext(ctx, c.Path, "-I", "-S", "-B", "-W", "ignore", "-c", program)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.WaitDelay = 5 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the compiler: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the compiler: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the compiler: %w", err)
	}
	return &worker{cmd, in, out}, nil
}

func (w *worker) stop() {
	_ = w.in.Close()
	_ = w.cmd.Wait() // its answers were complete; how it ends tells nothing
}

func (w *worker) ask(name string, source []byte) error {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(len(name))), uint32(len(source)))
	_, err := w.in.Write(append(append(head, name...), source...))
	return err
}

func (w *worker) answer() ([]byte, error) {
	var size uint32
	if err := binary.Read(w.out, binary.BigEndian, &size); err != nil {
		return nil, fmt.Errorf("the interpreter broke off: %w", err)
	}
	if size > maxCode {
		return nil, fmt.Errorf("byte code of %d bytes", size)
	}
	b := make([]byte, size)
	_, err := io.ReadFull(w.out, b)
	return b, err
}
