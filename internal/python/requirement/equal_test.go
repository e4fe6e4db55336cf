package requirement

import (
	"testing"

	"github.com/fairlead-ci/fairlead/internal/python/version"
)

func TestEquivalent(t *testing.T) {
	parse := func(s string) *Marker {
		if s == "" {
			return nil
		}
		m, err := ParseMarker(s)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, c := range []struct {
		a, b, python string
		want         bool
	}{
		{"python_version < '3.11'", "python_full_version < '3.11'", ">=3.8", true},
		{"python_version <= '3.10'", "python_full_version < '3.11'", "", true},
		{"python_version < '3.11'", "python_version < '3.12'", "", false},
		{"python_version >= '3.8'", "", ">=3.8", true},
		{"python_version >= '3.8'", "", ">=3.7", false},
		{"sys_platform == 'win32' or os_name == 'nt'", "os_name == 'nt' or sys_platform == 'win32'", "", true},
		{"sys_platform == 'win32'", "sys_platform != 'linux'", "", false},
		{"extra == 'A_b'", "extra == 'a-b'", "", true},
		{"extra == 'a' and extra == 'b'", "extra == 'a'", "", false},
	} {
		ss, err := version.ParseSpecifiers(c.python)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := Equivalent(parse(c.a), parse(c.b), ss); got != c.want || !ok {
			t.Errorf("%q and %q for %q: %v, %v", c.a, c.b, c.python, got, ok)
		}
		if m := parse(c.a); m != nil {
			if same, _ := Equivalent(m, Not(m), ss); same {
				t.Errorf("%q equals its opposite", c.a)
			}
			if same, _ := Equivalent(m, Not(Not(m)), ss); !same {
				t.Errorf("%q is not its opposite's opposite", c.a)
			}
		}
	}
}
