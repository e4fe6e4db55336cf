package gha

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Level is an annotation's level as the runner knows it.
type Level string

// The levels of workflow commands.
const (
	LevelError   Level = "error"
	LevelWarning Level = "warning"
	LevelNotice  Level = "notice"
)

// Annotation is a message at a place in a file, shown in a pull request's diff.
type Annotation struct {
	Level     Level
	Path      string
	Line      int // 0: none
	Column    int
	EndLine   int
	EndColumn int
	Title     string
	Message   string
}

// perLevel is how many annotations of one level the runner keeps per step
// (actions/runner, ExecutionContext.cs); the last place is for "N more".
const perLevel = 10

// maxMessage is where the runner cuts a message.
const maxMessage = 4096

// Annotate emits annotations, worst first, within the runner's limit of ten per
// level and step: nine and one that says how many more there are and where the
// full list is. It returns how many were left out.
func (r *Runtime) Annotate(all []Annotation) int {
	if !r.Active() {
		return 0
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Annotation) int { return cmp.Compare(rank(a.Level), rank(b.Level)) })
	count := map[Level]int{}
	for _, a := range all {
		count[a.Level]++
	}
	shown, left := map[Level]int{}, 0
	for _, a := range all {
		room := perLevel
		if count[a.Level] > perLevel {
			room = perLevel - 1
		}
		if shown[a.Level] >= room {
			left++
			continue
		}
		shown[a.Level]++
		r.emit(a)
	}
	for _, l := range []Level{LevelError, LevelWarning, LevelNotice} {
		if more := count[l] - shown[l]; more > 0 {
			r.emit(Annotation{Level: l, Message: fmt.Sprintf("… and %d more, see the job summary", more)})
		}
	}
	return left
}

func rank(l Level) int {
	return slices.Index([]Level{LevelError, LevelWarning, LevelNotice}, l)
}

func (r *Runtime) emit(a Annotation) {
	fields := map[string]string{}
	set := func(k string, v int) {
		if v > 0 {
			fields[k] = strconv.Itoa(v)
		}
	}
	if a.Path != "" {
		fields["file"] = a.Path
		set("line", a.Line)
		set("col", a.Column)
		set("endLine", a.EndLine)
		// The runner ignores columns of an annotation that spans lines.
		set("endColumn", a.EndColumn)
	}
	if a.Title != "" {
		fields["title"] = a.Title
	}
	msg := a.Message
	if len(msg) > maxMessage-64 {
		msg = clip(msg, maxMessage-64) + " … (cut)"
	}
	act := r.action.WithFieldsMap(fields)
	switch a.Level {
	case LevelError:
		act.Errorf("%s", msg)
	case LevelWarning:
		act.Warningf("%s", msg)
	default:
		act.Noticef("%s", msg)
	}
}

// clip cuts s to at most n bytes without splitting a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
