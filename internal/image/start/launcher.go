package start

import (
	"bytes"
	_ "embed" // for the launcher
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed launcher.py
var launcherText string

// Launcher is the program that starts a process of the plan in an image, for
// the interpreter at python. Its text is part of the image's digest.
func (p Plan) Launcher(python string, metrics bool) ([]byte, error) {
	if len(p.Processes) == 0 {
		return nil, fmt.Errorf("writing the launcher: there is no process")
	}
	table := map[string]any{}
	for _, q := range p.Processes {
		env := [][]any{}
		for _, a := range q.Env {
			env = append(env, []any{a.Name, parts(a.Value)})
		}
		words := [][]any{}
		for _, w := range q.Words {
			words = append(words, parts(w))
		}
		table[q.Name] = map[string]any{"env": env, "words": words}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(table); err != nil { // sorted by name
		return nil, fmt.Errorf("writing the launcher: %w", err)
	}
	flag := "False"
	if metrics {
		flag = "True"
	}
	// JSON of texts, lists and tables is a Python literal, too.
	out := strings.NewReplacer("@PYTHON@", python, "@PROCESSES@", strings.TrimSpace(b.String()), "@METRICS@", flag).Replace(launcherText)
	return []byte(out), nil
}

// parts is a word for the launcher: texts, and variables as lists of name,
// default, and flags in a word.
func parts(w Word) []any {
	out := []any{}
	for _, p := range w {
		if p.Variable == "" {
			out = append(out, p.Text)
			continue
		}
		flags := ""
		if p.OrEmpty {
			flags += ":"
		}
		if p.Split {
			flags += "s"
		}
		out = append(out, []any{p.Variable, p.Default, flags})
	}
	return out
}
