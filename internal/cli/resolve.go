package cli

import (
	"encoding"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/fairlead-ci/fairlead/internal/config"
	"github.com/fairlead-ci/fairlead/internal/failure"
)

// resolver gives flags and positional arguments that the command line left out
// the value of the action input INPUT_<NAME>, else of the settings file. Kong
// adds the default below that.
type resolver struct {
	getenv func(string) string
	file   *config.File
}

var _ kong.Resolver = (*resolver)(nil)

// Validate has nothing to check before the command is known.
func (r *resolver) Validate(*kong.Application) error { return nil }

// reserved names no input: they are kong's own, or make no sense in a file.
var reserved = []string{"help", "version", "settings"}

// Resolve implements kong.Resolver.
func (r *resolver) Resolve(kctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if slices.Contains(reserved, flag.Name) {
		return nil, nil
	}
	v, from, err := r.value(kctx, flag.Value)
	if err != nil || v == nil {
		return nil, err
	}
	// Parse into a scratch target first, so that the message can name the place.
	if err := try(flag.Value, v); err != nil {
		return nil, failure.New(failure.Usage, "", "%s: %w", from, err)
	}
	return v, nil
}

// positionals fills the arguments of the selected command that the command line
// left out.
func (r *resolver) positionals(kctx *kong.Context) error {
	node := kctx.Selected()
	if node == nil {
		return nil
	}
	given := map[*kong.Value]bool{}
	for _, p := range kctx.Path {
		if p.Positional != nil {
			given[p.Positional] = true
		}
	}
	for _, p := range node.Positional {
		if given[p] {
			continue
		}
		v, from, err := r.value(kctx, p)
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		if err := assign(p.Target, v); err != nil {
			return failure.New(failure.Usage, "", "%s: %w", from, err)
		}
	}
	return nil
}

// value looks an input up and says where it was found.
func (r *resolver) value(kctx *kong.Context, v *kong.Value) (any, string, error) {
	name := "INPUT_" + strings.ToUpper(strings.ReplaceAll(v.Name, " ", "_"))
	if s := strings.TrimSpace(r.getenv(name)); s != "" {
		from := "input " + v.Name
		if v.IsSlice() {
			return list(s, v.Tag.Sep != -1), from, nil
		}
		return s, from, nil
	}
	tool := toolOf(kctx, nil)
	if tool == "" {
		return nil, "", nil
	}
	if r.file == nil {
		if err := r.load(kctx, tool); err != nil {
			return nil, "", &fileError{err}
		}
	}
	set, ok := r.setting(kctx, tool, v.Name)
	if !ok {
		return nil, "", nil
	}
	from := fmt.Sprintf("%s: %s", r.file.At(set), v.Name)
	val, err := plain(set.Any, v.IsSlice())
	if err != nil {
		return nil, "", failure.New(failure.Usage, "", "%s: %w", from, err)
	}
	return val, from, nil
}

// aboutEnvironments are the commands that a table of an environment is for.
var aboutEnvironments = []string{"promote", "rollback", "hold", "unhold", "ledger"}

// setting looks a key up in the settings file: for a command about an
// environment first in that environment's table, then in the tool's.
func (r *resolver) setting(kctx *kong.Context, tool, key string) (config.Value, bool) {
	if slices.Contains(aboutEnvironments, tool) {
		if v, ok := r.file.Tools[config.Environments+"."+r.environment(kctx)][key]; ok {
			return v, true
		}
		if v, ok := r.file.Tools["promote"][key]; ok && tool != "promote" {
			return v, true // the target of a rollback is the promotion's
		}
	}
	v, ok := r.file.Tools[tool][key]
	if tool == "check" && !ok {
		// It asks the tools as they are set up.
		for _, asked := range []string{"pin-check", "build-image"} {
			if v, ok := r.file.Tools[asked][key]; ok {
				return v, true
			}
		}
	}
	return v, ok
}

// environment is the environment that the command is about, as far as flags and
// action inputs say so.
func (r *resolver) environment(kctx *kong.Context) string {
	for _, p := range kctx.Path {
		if p.Flag != nil && (p.Flag.Name == "to" || p.Flag.Name == "env") {
			return fmt.Sprint(kctx.FlagValue(p.Flag))
		}
	}
	return firstOf(strings.TrimSpace(r.getenv("INPUT_TO")), strings.TrimSpace(r.getenv("INPUT_ENV")))
}

// list splits an action's input: one value a line, and where the values cannot
// hold commas, separated by these, too.
func list(s string, commas bool) []any {
	var out []any
	for _, line := range strings.FieldsFunc(s, func(c rune) bool { return c == '\n' || c == '\r' || commas && c == ',' }) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// plain turns a TOML value into what kong's mappers take.
func plain(v any, slice bool) (any, error) {
	switch v := v.(type) {
	case []any:
		if !slice {
			return nil, fmt.Errorf("takes one value, not a list")
		}
		out := make([]any, 0, len(v))
		for _, e := range v {
			s, err := plain(e, false)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
		return out, nil
	case string, bool:
		if slice {
			return []any{fmt.Sprint(v)}, nil
		}
		return fmt.Sprint(v), nil
	case int64, float64:
		return fmt.Sprint(v), nil
	default:
		return nil, fmt.Errorf("takes a string, a number, true or false, or a list of them")
	}
}

// try parses a value as kong will, into a target that is thrown away, and
// checks its enum, which kong would check later without naming the place.
func try(v *kong.Value, val any) error {
	target := reflect.New(v.Target.Type()).Elem()
	if l, ok := val.([]any); ok && v.IsSlice() {
		// A type that reads its own text says enough; kong would put Go types before it.
		for _, e := range l {
			if one, ok := reflect.New(target.Type().Elem()).Interface().(encoding.TextUnmarshaler); ok {
				if err := one.UnmarshalText([]byte(fmt.Sprint(e))); err != nil {
					return err
				}
			}
		}
	}
	if err := v.Mapper.Decode(&kong.DecodeContext{Value: v, Scan: kong.Scan().PushTyped(val, kong.FlagValueToken)}, target); err != nil {
		return err
	}
	if v.Enum == "" {
		return nil
	}
	one := func(s string) error {
		if !v.EnumMap()[s] {
			return fmt.Errorf("%q is not one of %s", s, strings.Join(v.EnumSlice(), ", "))
		}
		return nil
	}
	if l, ok := val.([]any); ok {
		for _, e := range l {
			if err := one(fmt.Sprint(e)); err != nil {
				return err
			}
		}
		return nil
	}
	return one(fmt.Sprint(val))
}

// assign sets a positional argument's target: a string or a list of strings.
func assign(target reflect.Value, val any) error {
	switch target.Kind() {
	case reflect.String:
		s, ok := val.(string)
		if !ok {
			return fmt.Errorf("takes one value, not a list")
		}
		target.SetString(s)
	case reflect.Slice:
		l, ok := val.([]any)
		if !ok {
			l = []any{val}
		}
		for _, e := range l {
			target.Set(reflect.Append(target, reflect.ValueOf(fmt.Sprint(e))))
		}
	default:
		return fmt.Errorf("cannot be set from here")
	}
	return nil
}

// fileError is a mistake in the settings file, not in one flag's value.
type fileError struct{ error }

func (e *fileError) Unwrap() error { return e.error }

// load reads the settings of the folder that the command works on, and refuses
// keys that no command knows.
func (r *resolver) load(kctx *kong.Context, tool string) error {
	dir := r.folder(kctx)
	if !isDir(dir) {
		return failure.New(failure.Usage, "", "--settings %s: not a folder", dir)
	}
	f, err := config.Find(dir)
	if err != nil {
		return err
	}
	known := map[string][]string{}
	for _, n := range kctx.Model.Children {
		known[n.Name] = keys(n)
		if n.Name == "pin-check" {
			known[n.Name] = append(known[n.Name], policyKeys()...)
		}
	}
	tools := make([]string, 0, len(f.Tools))
	for t := range f.Tools {
		tools = append(tools, t)
	}
	sort.Strings(tools)
	for _, t := range tools {
		allowed, ok := known[t]
		if strings.HasPrefix(t, config.Environments+".") {
			allowed, ok = known["promote"], true
		}
		if !ok {
			return failure.New(failure.Usage, "known: "+strings.Join(names(known), ", "), "%s:%d: unknown section %q", f.Path, f.Lines[t], t)
		}
		for k, v := range f.Tools[t] {
			if !slices.Contains(allowed, k) {
				return failure.New(failure.Usage, "known: "+strings.Join(allowed, ", "), "%s: unknown key %q for %s", f.At(v), k, t)
			}
		}
	}
	r.file = f
	return nil
}

// folder is where settings are looked for: the folder named on the command line
// or by the action's input, else the current one.
func (r *resolver) folder(kctx *kong.Context) string {
	first := func(v any) string {
		switch v := v.(type) {
		case string:
			return v
		case []string:
			if len(v) > 0 {
				return v[0]
			}
		}
		return ""
	}
	for _, p := range kctx.Path {
		if p.Flag != nil && p.Flag.Name == "settings" {
			return fmt.Sprint(kctx.FlagValue(p.Flag))
		}
	}
	if dir := strings.TrimSpace(r.getenv("INPUT_SETTINGS")); dir != "" {
		return dir
	}
	for _, p := range kctx.Path {
		if p.Positional == nil || (p.Positional.Name != "context" && p.Positional.Name != "path") {
			continue
		}
		if dir := first(kctx.Value(p).Interface()); isDir(dir) {
			return dir
		}
	}
	for _, in := range []string{"INPUT_CONTEXT", "INPUT_PATH"} {
		if dir := strings.TrimSpace(r.getenv(in)); isDir(dir) {
			return dir
		}
	}
	return "."
}

func isDir(path string) bool {
	if path == "" {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// keys lists the settings of a command, its sub-commands' included.
func keys(n *kong.Node) []string {
	var out []string
	for _, f := range n.Flags {
		if !slices.Contains(reserved, f.Name) && !f.Hidden {
			out = append(out, f.Name)
		}
	}
	for _, p := range n.Positional {
		out = append(out, p.Name)
	}
	for _, c := range n.Children {
		out = append(out, keys(c)...)
	}
	sort.Strings(out)
	return slices.Compact(out)
}

func names(m map[string][]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
