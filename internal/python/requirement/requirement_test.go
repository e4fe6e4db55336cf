package requirement

import (
	"errors"
	"testing"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"foo":                                   "foo",
		" Foo.Bar [a, b]  >= 1.0 ,<2 ":          "Foo.Bar[a,b]>=1.0,<2",
		"foo==1.0;extra == 'x'":                 `foo==1.0; extra == "x"`,
		"foo(>=1)":                              "foo>=1",
		"foo[]":                                 "foo",
		"foo @ https://x/y.whl#sha256=1":        "foo @ https://x/y.whl#sha256=1",
		"foo @ git+https://x/y ; os_name=='nt'": `foo @ git+https://x/y ; os_name == "nt"`,
		"a; (python_version<'3' or os.name!='x') and 'linux' in sys_platform": `a; (python_version < "3" or os_name != "x") and "linux" in sys_platform`,
	} {
		r, err := Parse(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if got := r.String(); got != want {
			t.Errorf("%q = %q, want %q", in, got, want)
		}
		if again, err := Parse(r.String()); err != nil || again.String() != r.String() {
			t.Errorf("%q does not round-trip: %v", in, err)
		}
	}
	for in, off := range map[string]int{"": 0, "-foo": 0, "foo bar": 4, "foo[a": 5, "foo>=": 3, "foo @": 5, "foo; bar == 'x'": 5, "foo; os_name": 12, "foo; 'a'=='b'": 5, "foo;os_name=='x": 13} {
		_, err := Parse(in)
		var e *Error
		if !errors.As(err, &e) || e.Offset != off {
			t.Errorf("%q: error %v, want one at offset %d", in, err, off)
		}
	}
}

func TestMarkers(t *testing.T) {
	env := Env{Vars: map[string]string{"python_version": "3.11", "python_full_version": "3.11.7", "sys_platform": "linux", "platform_machine": "x86_64", "os_name": "posix"}, Extras: []string{"Socks_5"}, Groups: []string{"dev"}}
	for in, want := range map[string]bool{
		`python_version >= "3.9"`: true, `python_version < "3.9"`: false, `"3.9" < python_version`: true, `python_version in "3.10 3.11"`: true,
		`python_version == "3.*"`: true, `python_version ~= "3.8"`: true, `sys_platform == "win32" or os_name == "posix"`: true,
		`sys_platform == "win32" or os_name == "nt" and python_version > "1"`: false, `extra == "socks-5"`: true, `extra != "socks-5"`: false,
		`"dev" in dependency_groups`: true, `"x" not in extras`: true, `platform_machine not in "arm64 aarch64"`: true,
	} {
		m, err := ParseMarker(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if got, err := m.Eval(env); err != nil || got != want {
			t.Errorf("%q = %v, %v; want %v", in, got, err, want)
		}
	}
	m, err := ParseMarker(`platform_release > "5"`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Eval(env); err == nil {
		t.Error("platform_release was given a value; nobody knows the target's kernel")
	}
}

func TestNormalizeName(t *testing.T) {
	for in, want := range map[string]string{"Foo.Bar": "foo-bar", "a__b-.c": "a-b-c", "x": "x"} {
		if got := NormalizeName(in); got != want {
			t.Errorf("NormalizeName(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("foo[a,b]>=1,<2; (python_version<'3' or os.name!='x') and extra == 'y'")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			return
		}
		if _, err := Parse(r.String()); err != nil {
			t.Errorf("%q became %q, which does not parse: %v", s, r, err)
		}
	})
}

func TestNilMarker(t *testing.T) {
	var m *Marker
	if ok, err := m.Eval(Env{}); m.String() != "" || !ok || err != nil {
		t.Errorf("%q, %v, %v", m, ok, err)
	}
}
