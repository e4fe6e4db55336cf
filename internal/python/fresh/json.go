package fresh

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// dumps writes a value as Python's json.dumps(x, sort_keys=True) does, which
// poetry, pdm and pipenv hash. encoding/json differs in spaces, in what it
// escapes and in floats. What Python cannot encode (dates) is an error.
func dumps(v any, compact bool) (string, error) {
	e := encoder{item: ", ", key: ": "}
	if compact {
		e.item, e.key = ",", ":"
	}
	if err := e.value(v, 0); err != nil {
		return "", err
	}
	return e.b.String(), nil
}

func hash(v any, compact bool) (string, error) {
	s, err := dumps(v, compact)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:]), nil
}

type encoder struct {
	b         strings.Builder
	item, key string
}

func (e *encoder) value(v any, depth int) error {
	if depth > 500 {
		return fmt.Errorf("tables nest too deeply")
	}
	switch t := v.(type) {
	case nil:
		e.b.WriteString("null")
	case bool:
		e.b.WriteString(strconv.FormatBool(t))
	case int64:
		e.b.WriteString(strconv.FormatInt(t, 10))
	case float64:
		e.b.WriteString(float(t))
	case string:
		e.text(t)
	case []string:
		list := make([]any, len(t))
		for i, s := range t {
			list[i] = s
		}
		return e.value(list, depth)
	case []map[string]any:
		list := make([]any, len(t))
		for i, s := range t {
			list[i] = s
		}
		return e.value(list, depth)
	case []any:
		e.b.WriteByte('[')
		for i, x := range t {
			if i > 0 {
				e.b.WriteString(e.item)
			}
			if err := e.value(x, depth+1); err != nil {
				return err
			}
		}
		e.b.WriteByte(']')
	case map[string]any:
		keys := make([]string, 0, len(t))
		for k := range t {
			keys = append(keys, k)
		}
		sort.Strings(keys) // UTF-8 sorts by code point, as Python does
		e.b.WriteByte('{')
		for i, k := range keys {
			if i > 0 {
				e.b.WriteString(e.item)
			}
			e.text(k)
			e.b.WriteString(e.key)
			if err := e.value(t[k], depth+1); err != nil {
				return err
			}
		}
		e.b.WriteByte('}')
	default:
		return fmt.Errorf("a date or time stands in what is hashed, which no Python tool can encode")
	}
	return nil
}

func (e *encoder) text(s string) {
	e.b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			e.b.WriteByte('\\')
			e.b.WriteRune(r)
		case r == '\n':
			e.b.WriteString(`\n`)
		case r == '\r':
			e.b.WriteString(`\r`)
		case r == '\t':
			e.b.WriteString(`\t`)
		case r == '\b':
			e.b.WriteString(`\b`)
		case r == '\f':
			e.b.WriteString(`\f`)
		case r >= 0x20 && r <= 0x7e:
			e.b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&e.b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		case r == utf8.RuneError:
			e.b.WriteString(`\ufffd`)
		default:
			fmt.Fprintf(&e.b, `\u%04x`, r)
		}
	}
	e.b.WriteByte('"')
}

// float is Python's repr of a float.
func float(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64) // two digits in the exponent at least, as in Python
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
