package document

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestPlaces(t *testing.T) {
	toml := "a = 1\n[[package]]\nname = \"x\"\n\n  [[ package ]]\n[package.files]\n[other]\npackage = [{a = 1}]\n"
	got := TableArray([]byte(toml), "package")
	if len(got) != 2 || got[0] != (Pos{2, 1}) || got[1].Line != 5 {
		t.Errorf("headers at %v", got)
	}
	got = TableArray([]byte("package = [{name = 1},\n  {name = 2}, {}]\n"), "package")
	if len(got) != 3 || got[0] != (Pos{1, 13}) || got[1] != (Pos{2, 4}) {
		t.Errorf("elements at %v", got)
	}
	json := `{"_meta": {"default": {"no": 1}},
 "default": {"a": {"b": "c"},
   "d\"e": [{"f": 1}]}, "x": "default"}`
	keys := ObjectKeys([]byte(json), "default")
	if len(keys) != 2 || keys["a"] != (Pos{2, 14}) || keys[`d"e`].Line != 3 {
		t.Errorf("keys at %v", keys)
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	var v struct{ A int }
	for text, want := range map[string]string{"a = 1\nb = = 2": "f.toml:2:", "\na = \"x\"": "f.toml:2:"} {
		if err := TOML("f.toml", []byte(text), &v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, want := range map[string]string{"{\n  1}": "f.json:2:3", "{\n\"A\": \"x\"}": "f.json:2:"} {
		if err := JSON("f.json", []byte(text), &v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	fsys := fstest.MapFS{"d/f": {}, "big": {Data: make([]byte, MaxSize+1)}}
	for name, want := range map[string]string{"none": "file does not exist", "d": "no regular file", "big": "larger than 32 MiB"} {
		if _, err := Read(fsys, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What nests deeply is an error or is read, and ends no process.
func TestDeepNesting(t *testing.T) {
	for _, text := range []string{"a = " + strings.Repeat("[", 1<<20), "a = " + strings.Repeat("{a=", 1<<19), strings.Repeat("a.", 1<<16) + "a = 1", "[" + strings.Repeat("a.", 1<<16) + "a]"} {
		var v map[string]any
		_ = TOML("f", []byte(text), &v)
		TableArray([]byte(text), "a")
	}
	var v any
	_ = JSON("f", []byte(strings.Repeat("[", 1<<20)), &v)
	ObjectKeys([]byte(strings.Repeat(`{"a":`, 1<<18)), "a")
}

func FuzzPlaces(f *testing.F) {
	f.Add([]byte("[[package]]\na = 1\n[[package]]\n"))
	f.Add([]byte("package = [{a = 1}]"))
	f.Add([]byte(`{"default": {"a": 1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range TableArray(data, "package") {
			if p.Line < 1 || p.Line > lines || p.Column < 1 {
				t.Errorf("%v of %d lines", p, lines)
			}
		}
		for _, p := range ObjectKeys(data, "default") {
			if p.Line < 1 || p.Line > lines || p.Column < 1 {
				t.Errorf("%v of %d lines", p, lines)
			}
		}
	})
}
