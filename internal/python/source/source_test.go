package source

import (
	"fmt"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"a = 1 # c\nb", "0:a = 1|0:b"},
		{"if x:\n\ty(1,\n  2)\n", "0:if x :|8:y ( 1 , 2 )"},
		{"a = \\\n  b; c\n", "0:a = b|0:c"},
		{"x = 'a\\'b' \"# no\"\n", `0:x = 'a\'b' "# no"`},
		{"\"\"\"doc\nover # lines\n\"\"\"\na = r'\\d'\n", "0:\"\"\"doc\nover # lines\n\"\"\"|0:a = r'\\d'"},
		{"f'{a['b']!r:>{w}}' + Rb'x'\n", "0:f'{a['b']!r:>{w}}' + Rb'x'"},
		{"f'{{' + x\n", "0:f'{{' + x"},
		{"a = 'open\nb\n", "0:a = 'open|0:b"},
		{"f'{x\ny'", "0:f'{x\ny'"},
		{"a\r\n  b\r\n", "0:a|2:b"},
		{"\ufeffx->y:=0x1F", "0:x -> y := 0x1F"},
		{"ä = größe", "0:ä = größe"},
	} {
		var out []string
		for _, l := range Lines([]byte(tt.src)) {
			var words []string
			for _, tok := range l.Tokens {
				words = append(words, tok.Text)
			}
			out = append(out, fmt.Sprintf("%d:%s", l.Indent, strings.Join(words, " ")))
		}
		if got := strings.Join(out, "|"); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.src, got, tt.want)
		}
	}
}

func TestLiterals(t *testing.T) {
	for src, want := range map[string]string{
		`'a'`: "a", `u"b"`: "b", `'''c'''`: "c", `r'\d'`: `\d`, `'it\'s'`: "it's", `b'x'`: "-", `f'x'`: "-", `'\n'`: "-", `'open`: "-", `x`: "-", `""`: "",
	} {
		got, ok := Lines([]byte(src))[0].Tokens[0].Literal()
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%s is %q, want %q", src, got, want)
		}
	}
}

func TestModule(t *testing.T) {
	m := Read([]byte(`
"""app = Flask()"""
import os, flask as f, a.b.c
from fastapi import (
    FastAPI as Api,  # comment
    Depends)
from . import views
from ..x.y import make
NAME: str = "n"
typed: dict[str, int] = make(a=1)
try:
    app = f.Flask(__name__)
except Exception:
    pass
api = Api(title="x").mount
def create_app(config=None, *args, key: str = "x", **kw):
    inner = Api()
    def other():
        return 1
    return inner
async def needs(a, b=1): return a
class C:
    app = Api()
    def m(self): pass
x == y()
`))
	for name, want := range map[string]string{"os": "os", "f.Flask": "flask.Flask", "a.b": "a.b", "Api": "fastapi.FastAPI", "Depends": "fastapi.Depends", "views": ".views", "make": "..x.y.make", "own": "own"} {
		if got := m.Resolve(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := fmt.Sprint(m.Values); got != "[{NAME n  9} {typed  make 10} {app  f.Flask 12} {api   15}]" {
		t.Errorf("values %s", got)
	}
	if got := fmt.Sprint(m.Functions); got != "[{create_app false [{inner  Api 17} {return   20}] 16} {needs true [] 21}]" {
		t.Errorf("functions %s", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("def f(a, *b):\n  return x(y)\nfrom .a import (b as c)\n")
	f.Add("f'{x[\"a\"]:{w}}'\n'''\\\n")
	f.Fuzz(func(t *testing.T, src string) {
		lines := strings.Count(src, "\n") + 1
		for _, l := range Lines([]byte(src)) {
			if len(l.Tokens) == 0 {
				t.Error("an empty line")
			}
			for _, tok := range l.Tokens {
				if tok.Text == "" || tok.Line < 1 || tok.Line > lines || tok.Column < 1 {
					t.Errorf("token %+v", tok)
				}
			}
		}
		Read([]byte(src))
	})
}
