// Package config reads the settings that a repository keeps in a file:
// [tool.fairlead.<tool>] in pyproject.toml, or [<tool>] in fairlead.toml.
//
// It only reads: which keys a tool knows, and what their values mean, is told by
// the command definitions (internal/cli). Every value keeps its line, so that a
// mistake is reported where it stands.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxSize bounds the file that is read; a real one has a few kilobytes.
const maxSize = 4 << 20

// Value is one setting and where it stands.
type Value struct {
	Any    any // string, int64, float64, bool, []any or map[string]any
	Line   int // 1-based
	Column int
}

// File is the settings of one repository. The zero File has none.
type File struct {
	// Path is the file that was read, as to be shown to people; "" if none.
	Path string
	// Tools maps a tool's name to its keys.
	Tools map[string]map[string]Value
	// Lines maps a tool's name to the line of its table.
	Lines map[string]int
}

// At says where a value of the file stands, as path:line.
func (f *File) At(v Value) string { return fmt.Sprintf("%s:%d", f.Path, v.Line) }

// Find reads the settings for folder dir: the nearest file with Fairlead's
// tables in dir or a parent of it, up to the repository's root (the folder that
// holds .git) or the file system's. fairlead.toml wins over a pyproject.toml
// without our table; both with settings are an error, because one of the two
// would be ignored silently.
func Find(dir string) (*File, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("resolving %q: %w", dir, err)
	}
	for at := abs; ; at = filepath.Dir(at) {
		f, err := readFolder(at, shown(dir, abs, at))
		if err != nil || f.Path != "" {
			return f, err
		}
		if _, err := os.Stat(filepath.Join(at, ".git")); err == nil || filepath.Dir(at) == at {
			return &File{}, nil
		}
	}
}

// shown is the folder at as a person who named dir would name it.
func shown(dir, abs, at string) string {
	rel, err := filepath.Rel(abs, at)
	if err != nil {
		return at
	}
	return filepath.Join(dir, rel)
}

func readFolder(at, name string) (*File, error) {
	own, err := read(filepath.Join(at, "fairlead.toml"), filepath.Join(name, "fairlead.toml"), false)
	if err != nil {
		return nil, err
	}
	project, err := read(filepath.Join(at, "pyproject.toml"), filepath.Join(name, "pyproject.toml"), true)
	if err != nil {
		return nil, err
	}
	if own.Path != "" && project.Path != "" {
		return nil, failure.New(failure.Usage, "keep the settings in one of the two files",
			"reading settings: both %s and %s hold settings for fairlead", own.Path, project.Path)
	}
	if own.Path != "" {
		return own, nil
	}
	return project, nil
}

func read(path, name string, inProject bool) (*File, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &File{}, nil
	}
	if err != nil {
		return nil, failure.New(failure.Usage, "", "reading settings: %w", err)
	}
	if info.Size() > maxSize {
		return nil, failure.New(failure.Usage, "", "reading settings: %s has %d bytes; at most %d are read", name, info.Size(), maxSize)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, failure.New(failure.Usage, "", "reading settings: %w", err)
	}
	return Parse(name, data, inProject)
}

// Parse reads the settings from a file's bytes. With inProject the tables are
// [tool.fairlead.<tool>], as pyproject.toml has them, and a file without them
// yields a File without Path; otherwise they are [<tool>].
func Parse(name string, data []byte, inProject bool) (*File, error) {
	if inProject && !bytes.Contains(data, []byte("fairlead")) {
		return &File{}, nil // the ordinary case, without a parse
	}
	var root map[string]any
	if err := toml.Unmarshal(data, &root); err != nil {
		return nil, syntaxError(name, err)
	}
	var prefix []string
	tables := root
	if inProject {
		prefix = []string{"tool", "fairlead"}
		tool, _ := root["tool"].(map[string]any)
		if _, ok := tool["fairlead"]; !ok {
			return &File{}, nil
		}
		if tables, _ = tool["fairlead"].(map[string]any); tables == nil {
			return nil, failure.New(failure.Usage, "", "%s: tool.fairlead is not a table", name)
		}
	}
	where := positions(data)
	f := &File{Path: name, Tools: map[string]map[string]Value{}, Lines: map[string]int{}}
	for tool, v := range tables {
		at := where[key(append(slices.Clone(prefix), tool))]
		table, ok := v.(map[string]any)
		if !ok {
			return nil, failure.New(failure.Usage, "settings belong to a tool: ["+strings.Join(append(prefix, "pin-check"), ".")+"]",
				"%s:%d: %q is not a table", name, at.Line, tool)
		}
		if tool != Environments {
			f.add(tool, table, append(slices.Clone(prefix), tool), where)
			continue
		}
		for env, v := range table {
			path := append(slices.Clone(prefix), tool, env)
			sub, ok := v.(map[string]any)
			if !ok {
				return nil, failure.New(failure.Usage, "settings belong to an environment: ["+strings.Join(append(prefix, Environments, "production"), ".")+"]",
					"%s:%d: %q is not a table", name, where[key(path)].Line, env)
			}
			f.add(Environments+"."+env, sub, path, where)
		}
	}
	return f, nil
}

// Environments is the table whose tables are settings of one environment each:
// [tool.fairlead.environments.production]. They stand in File.Tools as
// "environments.production".
const Environments = "environments"

func (f *File) add(tool string, table map[string]any, path []string, where map[string]unstable.Position) {
	keys := map[string]Value{}
	for k, v := range table {
		p := where[key(append(slices.Clone(path), k))]
		keys[k] = Value{Any: v, Line: p.Line, Column: p.Column}
	}
	f.Tools[tool], f.Lines[tool] = keys, where[key(path)].Line
}

func syntaxError(name string, err error) error {
	var d *toml.DecodeError
	if errors.As(err, &d) {
		line, col := d.Position()
		return failure.New(failure.Usage, "", "%s:%d:%d: %s", name, line, col, strings.TrimPrefix(d.Error(), "toml: "))
	}
	return failure.New(failure.Usage, "", "%s: %w", name, err)
}

// key joins a dotted path unambiguously.
func key(path []string) string { return strings.Join(path, "\x00") }

// positions maps every key path of a valid document, and every table on the
// way, to the place where it first stands.
func positions(data []byte) map[string]unstable.Position {
	out := map[string]unstable.Position{}
	var p unstable.Parser
	p.Reset(data)
	var table []string
	for p.NextExpression() {
		e := p.Expression()
		var path []string
		if e.Kind == unstable.KeyValue {
			path = slices.Clone(table)
		}
		it := e.Key()
		var at unstable.Position
		for it.Next() {
			n := it.Node()
			if at.Line == 0 {
				at = p.Shape(n.Raw).Start
			}
			path = append(path, string(n.Data))
			if _, ok := out[key(path)]; !ok {
				out[key(path)] = at
			}
		}
		if e.Kind != unstable.KeyValue {
			table = path
		} else {
			inline(&p, e.Value(), path, out)
		}
	}
	return out
}

// inline notes the keys of an inline table.
func inline(p *unstable.Parser, v *unstable.Node, path []string, out map[string]unstable.Position) {
	if v == nil || v.Kind != unstable.InlineTable {
		return
	}
	for it := v.Children(); it.Next(); {
		kv := it.Node()
		sub := slices.Clone(path)
		for k := kv.Key(); k.Next(); {
			sub = append(sub, string(k.Node().Data))
			if _, ok := out[key(sub)]; !ok {
				out[key(sub)] = p.Shape(k.Node().Raw).Start
			}
		}
		inline(p, kv.Value(), sub, out)
	}
}
