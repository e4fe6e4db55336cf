package version

import "testing"

func TestSpecifiers(t *testing.T) {
	for _, c := range []struct {
		spec, v string
		want    bool
	}{
		{"==1.0", "1.0.0", true}, {"==1.0", "1.0+local", true}, {"==1.0+local", "1.0", false}, {"==1.*", "1.9.2", true},
		{"==1.1.*", "1.1a1", false}, {"!=1.*", "2", true}, {"~=2.2", "2.9", true}, {"~=2.2", "3.0", false},
		{"~=2.2.0", "2.3", false}, {"~=1.4.5a4", "1.4.9", true}, {"<3.1", "3.1.dev0", false}, {"<3.1", "3.0", true}, {">1.7", "1.7.post1", false},
		{">1.7", "1.7.0.post1", false}, {">1.7.post2", "1.7.post3", true}, {">1.7", "1.7+x", false}, {"<=1.0", "1.0+x", true},
		{"===1.0", "1.0", true}, {"===1.0", "1.0.0", false}, {">=1", "2.0a1", false}, {">=2.0a1", "2.0a2", true}, {"", "1", true},
		{">=4.2,<5", "4.9", true}, {">=4.2,<5", "5", false}, {"==1!1.0", "1.0", false}, {"==1!1.*", "1!1.5", true},
	} {
		ss, err := ParseSpecifiers(c.spec)
		if err != nil {
			t.Errorf("%q: %v", c.spec, err)
			continue
		}
		v, err := Parse(c.v)
		if err != nil {
			t.Fatal(err)
		}
		if got := ss.Contains(v, false); got != c.want {
			t.Errorf("%q contains %q = %v, want %v", c.spec, c.v, got, c.want)
		}
	}
	for _, bad := range []string{"==1.1a1.*", "1.0", "~=1", ">=1.*", "==1.*.2", "<1+x", "=1", ">=", "==a"} {
		if ss, err := ParseSpecifiers(bad); err == nil {
			t.Errorf("%q was read as %v", bad, ss)
		}
	}
}

func TestPinned(t *testing.T) {
	for spec, want := range map[string]string{"==1.0": "1.0", "===1.0": "1.0", "==1.*": "", "===": "", "==1.0,!=1.1": "", ">=1": "", "": ""} {
		ss, err := ParseSpecifiers(spec)
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := ss.Pinned(); v != want || ok != (want != "") {
			t.Errorf("%q pinned = %q, %v; want %q", spec, v, ok, want)
		}
	}
}

func FuzzSpecifiers(f *testing.F) {
	f.Add("~=1.4.5a4,!=2.*", "1!2.0rc1.post3.dev4+l.1")
	f.Fuzz(func(t *testing.T, s, v string) {
		ss, err := ParseSpecifiers(s)
		if err != nil {
			return
		}
		if again, err := ParseSpecifiers(ss.String()); err != nil || again.String() != ss.String() {
			t.Errorf("%q does not round-trip: %v", s, err)
		}
		if p, err := Parse(v); err == nil {
			ss.Contains(p, true)
		}
	})
}
