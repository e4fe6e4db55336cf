package reqfile

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

func set(t *testing.T, files map[string]string) *Set {
	t.Helper()
	fsys := fstest.MapFS{}
	for k, v := range files {
		fsys[k] = &fstest.MapFile{Data: []byte(v)}
	}
	s, err := Parse(fsys, "r.txt", Options{Getenv: func(k string) string {
		return map[string]string{"VER": "1.5"}[k]
	}})
	if err != nil {
		t.Fatal(err)
	}
	// Every position must hold the text it claims, in the file's own bytes.
	for _, it := range s.Items {
		if it.Kind != Named || it.Pos.Line != it.Pos.EndLine || strings.Contains(it.Text, "1.5") {
			continue
		}
		line := strings.Split(files[it.Pos.Path], "\n")[it.Pos.Line-1]
		if got := line[it.Pos.Column-1 : it.Pos.EndColumn-1]; got != it.Text {
			t.Errorf("%s:%d:%d holds %q, want %q", it.Pos.Path, it.Pos.Line, it.Pos.Column, got, it.Text)
		}
	}
	return s
}

func show(s *Set) string {
	var b strings.Builder
	for _, it := range s.Items {
		c := ""
		if it.Constraint {
			c = " constraint"
		}
		text := it.Text
		if it.Value != "" {
			text = it.Name + " " + it.Value
		}
		fmt.Fprintf(&b, "%s:%d:%d %s%s %s %d\n", it.Pos.Path, it.Pos.Line, it.Pos.Column, it.Kind, c, text, len(it.Hashes))
	}
	for _, p := range s.Problems {
		fmt.Fprintf(&b, "%s:%d:%d problem %s\n", p.Pos.Path, p.Pos.Line, p.Pos.Column, p.Msg)
	}
	return b.String()
}

func TestParse(t *testing.T) {
	h := "--hash=sha256:" + strings.Repeat("a", 64)
	for _, c := range []struct {
		name, in, want string
		mode           bool
	}{
		{"plain", "foo==1.0\n  bar >= 2  # why\n", "r.txt:1:1 requirement foo==1.0 0\nr.txt:2:3 requirement bar >= 2 0\n", false},
		{"continuation", "foo==1.0 \\\n    " + h + " \\\n    " + h + "\nbar\n", "r.txt:1:1 requirement foo==1.0 2\nr.txt:4:1 requirement bar 0\n", true},
		{"comment ends it", "foo==1.0 \\\n# c\nbar\n", "r.txt:1:1 requirement foo==1.0 0\nr.txt:3:1 requirement bar 0\n", false},
		{"last line", "foo==1.0 \\", "r.txt:1:1 requirement foo==1.0 0\n", false},
		{"hash sign", "foo==1.0#egg\n", "r.txt:1:1 ignored foo==1.0#egg 0\nr.txt:1:1 problem not a requirement: column 4: parsing specifier \"==1.0#egg\": \"1.0#egg\" does not fit ==\n", false},
		{"variables", "foo==${VER}\nbar==${NONE}\n", "r.txt:1:1 requirement foo==1.5 0\nr.txt:2:1 ignored bar==${NONE} 0\nr.txt:2:1 problem not a requirement: column 4: parsing specifier \"==${NONE}\": \"${NONE}\" does not fit ==\n", false},
		{"cr and bom", "\ufefffoo==1\r\nbar\r", "r.txt:1:4 requirement foo==1 0\nr.txt:2:1 requirement bar 0\n", false},
		{"odd lines", "foo==1\fevil>=1\n", "r.txt:1:1 requirement foo==1 0\nr.txt:1:8 requirement evil>=1 0\n", false},
		{"options", "-i https://index.example/simple\n--no-index\n--pre --require-hashes\n", "r.txt:1:1 option --index-url https://index.example/simple 0\nr.txt:2:1 option --no-index 0\nr.txt:3:1 option --pre 0\nr.txt:3:7 option --require-hashes 0\n", true},
		{"no automatic mode", "--no-require-hashes\nfoo==1 " + h + "\n", "r.txt:1:1 option --no-require-hashes 0\nr.txt:2:1 requirement foo==1 1\n", false},
		{"kinds", "-e ./x\n./dir\ngit+https://g.example/x@v1#egg=x\nhttps://h.example/a.whl\na @ https://h.example/a.whl\nb.whl\n",
			"r.txt:1:1 editable ./x 0\nr.txt:2:1 local ./dir 0\nr.txt:3:1 vcs git+https://g.example/x@v1#egg=x 0\nr.txt:4:1 url https://h.example/a.whl 0\nr.txt:5:1 requirement a @ https://h.example/a.whl 0\nr.txt:6:1 local b.whl 0\n", false},
		{"bad hashes", "foo==1 --hash=md5:aa\nbar==1 --hash=sha256:aa\n", "r.txt:1:1 requirement foo==1 0\nr.txt:2:1 requirement bar==1 0\nr.txt:1:8 problem \"md5:aa\" is no hash that pip accepts: it is sha256:, sha384: or sha512: and hex digits\nr.txt:2:8 problem malformed hash \"sha256:aa\": sha256 has 64 hex digits\n", false},
		{"two includes", "-r a.txt -r b.txt\n", "a.txt:1:1 requirement a 0\nr.txt:1:10 ignored -r 0\n", false},
		{"cycle and outside", "-r r.txt\n-r ../x\n-c https://x.example/c\n-r none.txt\n--what\n",
			"r.txt:3:1 remote constraint --constraint https://x.example/c 0\nr.txt:1:1 problem \"r.txt\" recursively references itself\nr.txt:2:1 problem \"../x\" leads out of the checked folder and is not read\nr.txt:4:1 problem \"none.txt\" does not exist\nr.txt:5:1 problem pip knows no option \"--what\" in a requirements file\n", false},
		{"constraints", "-c a.txt\nfoo\n", "a.txt:1:1 requirement constraint a 0\nr.txt:2:1 requirement foo 0\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := set(t, map[string]string{"r.txt": c.in, "a.txt": "a\n", "b.txt": "b\n"})
			want := strings.ReplaceAll(c.want, "--requirement b.txt", "-r")
			got := strings.ReplaceAll(show(s), "--requirement b.txt", "-r")
			if got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if s.RequireHashes != c.mode {
				t.Errorf("hash mode = %v, want %v", s.RequireHashes, c.mode)
			}
		})
	}
}

// An item whose last word is a variable ends behind the brace; no value of a
// variable gets into a message; -e with its value in one word has a place.
func TestVariables(t *testing.T) {
	read := func(text string) *Set {
		s, err := Parse(fstest.MapFS{"r.txt": {Data: []byte(text)}}, "r.txt", Options{Getenv: func(string) string { return "s3cret" }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := read("https://h.example/${VAR}\n")
	if p := s.Items[0].Pos; p.Column != 1 || p.EndColumn != 25 {
		t.Errorf("position %+v", p)
	}
	for _, text := range []string{"a b${V}\n", "a==${V}!\n", "a; x${V}\n", "--${V}\n", "a --hash=${V}\n", "a --hash=sha256:${V}\n", "-r ../${V}\n", "-r ${V}\n", "--no-index=${V}\n", "a --hash '${V}\n"} {
		s := read(text)
		if len(s.Problems) == 0 {
			t.Errorf("%q: no problem", text)
		}
		for _, p := range s.Problems {
			if strings.Contains(p.Msg, "s3cret") {
				t.Errorf("%q: %s", text, p.Msg)
			}
		}
	}
	if s := read("-e0\n"); len(s.Items) != 1 || s.Items[0].Pos.Column != 1 {
		t.Errorf("-e0: %+v", s.Items)
	}
}

// One line of many continuations is read in linear time.
func TestLongContinuation(t *testing.T) {
	s, err := Parse(fstest.MapFS{"r.txt": {Data: []byte(strings.Repeat("a\\\n", 1<<20))}}, "r.txt", Options{})
	if err != nil || len(s.Items) != 1 {
		t.Errorf("%v", err)
	}
}

func TestUTF16(t *testing.T) {
	data := []byte("\xff\xfef\x00o\x00o\x00=\x00=\x001\x00\n\x00")
	s, err := Parse(fstest.MapFS{"r.txt": &fstest.MapFile{Data: data}}, "r.txt", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := show(s); got != "r.txt:1:1 requirement foo==1 0\n" {
		t.Errorf("got %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("foo==1 \\\n --hash=sha256:aa # c\n-r r.txt\n-e ./x\n\v\"'${A}")
	f.Add("\xff\xfe\x00")
	f.Fuzz(func(t *testing.T, s string) {
		set, err := Parse(fstest.MapFS{"r.txt": &fstest.MapFile{Data: []byte(s)}}, "r.txt", Options{Getenv: func(string) string { return "v" }})
		if err != nil {
			return
		}
		for _, it := range set.Items {
			if it.Pos.Line < 1 || it.Pos.Column < 1 {
				t.Errorf("item without a place: %+v", it)
			}
		}
	})
}
