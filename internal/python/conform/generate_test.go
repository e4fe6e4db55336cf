//go:build conformance

package conform

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// gen makes strings that are near to what the grammars allow, and beside it.
type gen struct{ *rand.Rand }

func newGen(seed uint64) gen { return gen{rand.New(rand.NewPCG(seed, 7))} }

func (g gen) one(list ...string) string { return list[g.IntN(len(list))] }

func (g gen) maybe(percent int, s string) string {
	if g.IntN(100) < percent {
		return s
	}
	return ""
}

func (g gen) number() string {
	return g.one("0", "1", "2", "3", "9", "10", "11", "00", "01", "2024", "99999999999999999999")
}

func (g gen) version() string {
	var b strings.Builder
	b.WriteString(g.maybe(8, "v"))
	b.WriteString(g.maybe(10, g.one("0", "1", "2")+"!"))
	b.WriteString(g.number())
	for range g.IntN(4) {
		b.WriteString("." + g.number())
	}
	sep := func() string { return g.one("", "", ".", "-", "_") }
	if g.IntN(100) < 30 {
		b.WriteString(sep() + g.one("a", "b", "c", "rc", "alpha", "beta", "pre", "preview", "RC", "A") + sep() + g.one("", "0", "1", "2", "10"))
	}
	if g.IntN(100) < 20 {
		b.WriteString(g.one("-1", "-2", sep()+g.one("post", "rev", "r", "POST")+sep()+g.one("", "0", "1", "3")))
	}
	if g.IntN(100) < 20 {
		b.WriteString(sep() + "dev" + sep() + g.one("", "0", "1", "4"))
	}
	if g.IntN(100) < 15 {
		b.WriteString("+" + g.one("local", "1", "ubuntu.1", "a-b", "a_B.2", "01", "abc.0x"))
	}
	s := b.String()
	if g.IntN(100) < 6 {
		s = g.mutate(s)
	}
	if g.IntN(100) < 4 {
		s = " " + s + g.one(" ", "\t", "\n")
	}
	return s
}

func (g gen) clause() string {
	op := g.one("==", "==", "!=", "<", "<=", ">", ">=", ">=", "~=", "===")
	v := g.version()
	if op == "==" || op == "!=" {
		v += g.maybe(30, ".*")
	}
	return op + g.maybe(20, " ") + v
}

func (g gen) specifiers() string {
	n := 1 + g.IntN(3)
	parts := make([]string, n)
	for i := range parts {
		parts[i] = g.clause()
	}
	s := strings.Join(parts, g.one(",", ", ", " , "))
	if g.IntN(100) < 5 {
		s = g.mutate(s)
	}
	return s
}

// mutate drops, doubles or puts in a character.
func (g gen) mutate(s string) string {
	if s == "" {
		return s
	}
	i := g.IntN(len(s))
	switch g.IntN(4) {
	case 0:
		return s[:i] + s[i+1:]
	case 1:
		return s[:i] + s[i:i+1] + s[i:]
	case 2:
		return s[:i] + g.one("*", " ", "!", "=", "<", ">", "~", ".", "-", "_", "+", ",", ";", "(", ")", "[", "]", "'", "\"", "#", "@", "/", "\\", "é", "\t", "a", "0", "$", "{") + s[i:]
	}
	return s[:i] + s[min(len(s), i+1+g.IntN(4)):]
}

func (g gen) variable() string {
	return g.one("python_version", "python_full_version", "os_name", "sys_platform", "platform_machine", "platform_system", "platform_release",
		"platform_python_implementation", "implementation_name", "implementation_version", "extra", "os.name", "sys.platform", "platform.machine", "python_implementation", "platform_version")
}

func (g gen) value() string {
	v := g.one("3", "3.8", "3.10", "3.11", "3.12", "3.11.7", "2.7", "linux", "win32", "posix", "nt", "x86_64", "cpython", "CPython", "Linux", "test", "Test_It", "3.9, 3.11", "", "1.0.dev1", "3.*", "6.18.44-x", "5.0")
	q := g.one("'", "\"")
	return q + v + q
}

func (g gen) marker(depth int) string {
	if depth > 0 && g.IntN(100) < 40 {
		a, b := g.marker(depth-1), g.marker(depth-1)
		s := a + g.one(" and ", " or ", "  and ", " or\t") + b
		if g.IntN(2) == 0 {
			s = "(" + g.maybe(20, " ") + s + ")"
		}
		return s
	}
	op := g.one("==", "!=", "<", "<=", ">", ">=", "in", "not in", "~=", "===", "not  in")
	sp := g.one(" ", " ", "  ")
	if strings.Trim(op, "<>=!~") == "" {
		sp = g.one("", " ")
	}
	left, right := g.variable(), g.value()
	if g.IntN(100) < 25 {
		left, right = right, left
	}
	if g.IntN(100) < 4 {
		right = g.variable()
	}
	return left + sp + op + sp + right
}

func (g gen) name() string {
	return g.one("foo", "Foo.Bar", "a", "foo-bar", "foo__bar", "zope.interface", "A1", "x-1", "Django", "1a", "a.-b")
}

func (g gen) requirement() string {
	s := g.name() + g.maybe(20, " ")
	if g.IntN(100) < 25 {
		s += "[" + g.maybe(20, " ") + g.one("a", "a,b", "a , b", "", "Test_It", "x.y", "a-") + "]" + g.maybe(20, " ")
	}
	switch g.IntN(10) {
	case 0:
		s += " @ " + g.one("https://h.example/x.whl", "git+https://h.example/x@v1", "file:///a/b", "https://h.example/x#sha256=00", "h", "") + g.one("", " ")
	case 1:
		s += "(" + g.specifiers() + ")"
	case 2:
	default:
		s += g.maybe(30, " ") + g.specifiers()
	}
	if g.IntN(100) < 40 {
		s += g.one(";", " ;", "; ", " ; ") + g.marker(2)
	}
	if g.IntN(100) < 8 {
		s = g.mutate(s)
	}
	return s
}

func (g gen) hash() string {
	algo := g.one("sha256", "sha256", "sha256", "sha384", "sha512")
	n := map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}[algo]
	return "--hash" + g.one("=", "=", " ") + algo + ":" + strings.Repeat(g.one("a", "0", "f"), n)
}

// line is one of a requirements file; what pip would look for on the disk
// (paths) is left out.
func (g gen) line() string {
	switch g.IntN(22) {
	case 0:
		return "# " + g.one("comment", "coding: x", "\\", "a \\")
	case 1:
		return g.one("", " ", "\t", "   # c")
	case 2:
		return g.one("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host") + g.one(" ", "=") + g.one("https://h.example/s", "h.example", "'a b'", "\"q\"")
	case 3:
		return g.one("--no-index", "--pre", "--require-hashes", "--no-require-hashes", "--prefer-binary", "--no-binary :all:", "--only-binary=:all:", "--use-feature=fast-deps", "--bogus", "--req b.txt", "--pr", "--e", "-e", "--no-index=1", "--no-i", "-z", "x --bogus")
	case 4:
		return g.one("-r b.txt", "-rb.txt", "--requirement=b.txt", "-c b.txt", "-r b.txt -r c.txt", "-r r.txt", "-c c.txt -r b.txt", "--requirement b.txt --pre", "-r b.txt # c", "-r 'b.txt'")
	case 5:
		return g.one("-e git+https://h.example/x#egg=x", "--editable=git+https://h.example/y@v#egg=y", "-egit+https://h.example/z#egg=z", "-e a -e b", "-e a --pre")
	case 6:
		return g.requirement() + g.one(" ", "  ", "\t") + g.one("# c", "#c", "--pre", "-r b.txt", "--config-settings a=b", "--hash=md5:00", "--hash=sha256", "--hash", "-- x", "--global-option=x", "\u00a0# c")
	case 7:
		return g.requirement() + " \\\n    " + g.hash() + g.maybe(40, " \\\n    "+g.hash())
	case 8:
		return g.requirement() + g.one("\\", " \\", "\\\\", " \\ ") + "\n" + g.one("  # c", "", g.requirement(), "--hash=sha256:00", " ,>1")
	case 9:
		return g.name() + "==${" + g.one("VER", "NONE", "ver", "V_1") + "}"
	case 10:
		return g.one("git+https://h.example/x@v1#egg=x", "https://h.example/p/foo-1.0.tar.gz", "https://h.example/foo-1.0-py3-none-any.whl ; python_version > '3'", "http://h.example/x.zip#sha256=00")
	case 11:
		return g.requirement() + g.one("\f", "\v", "\u2028", "\x1c", "\u0085", "\r", "\x1f", "\u00a0") + g.requirement()
	}
	return g.requirement() + g.maybe(40, " "+g.hash()) + g.maybe(15, g.one(" # c", " --hash='sha256:"+strings.Repeat("b", 64)+"'"))
}

func (g gen) file() string {
	var b strings.Builder
	b.WriteString(g.maybe(3, "\ufeff"))
	for range 1 + g.IntN(6) {
		b.WriteString(g.line())
		b.WriteString(g.one("\n", "\n", "\n", "\r\n", "\r"))
	}
	s := b.String()
	if g.IntN(100) < 15 {
		s = g.mutate(s)
	}
	if g.IntN(100) < 20 {
		s = strings.TrimRight(s, "\r\n") + g.maybe(30, "\\")
	}
	return s
}

func sprint(v any) string { return fmt.Sprint(v) }
