package engine

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadEnvFile(t *testing.T) {
	for _, c := range []struct {
		text string
		want map[string]string
		err  string
	}{
		{"A=1\nB=a b=c \n", map[string]string{"A": "1", "B": "a b=c "}, ""},
		{"# note\n\n \t\n  A='quoted'\n", map[string]string{"A": "'quoted'"}, ""},
		{"\ufeffA=1\r\nB=", map[string]string{"A": "1", "B": ""}, ""},
		{"A=1\nA=2", map[string]string{"A": "2"}, ""},
		{"HOME", nil, "line 1 has no '='"},
		{"A=1\nB C=hush-hush", nil, "line 2 does not begin"},
		{"=hush-hush", nil, "line 1 does not begin"},
		{strings.Repeat("A=1\n", maxEnvFile/4+1), nil, "larger than"},
	} {
		got, err := readEnvFile(strings.NewReader(c.text))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "hush") {
				t.Errorf("%.20q: error %v, want %q and no value in it", c.text, err, c.err)
			}
			continue
		}
		if err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%q: %v, %v; want %v", c.text, got, err, c.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("A=file\nB=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Spec{EnvFile: file, Env: map[string]string{"B": "a-longer-secret", "C": "secret"}}
	got, err := s.environment()
	if want := map[string]string{"A": "file", "B": "a-longer-secret", "C": "secret"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("environment = %v, %v; want %v", got, err, want)
	}
	if got := s.hide("bad a-longer-secret in file"); got != "bad *** in file" {
		t.Errorf("hide = %q", got)
	}
	for _, bad := range []Spec{{Env: map[string]string{"A B": ""}}, {Env: map[string]string{"A": "\x00"}}, {EnvFile: file + ".none"}} {
		if _, err := bad.environment(); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}

func FuzzReadEnvFile(f *testing.F) {
	for _, s := range []string{"A=1\n", "#\nA==\r\n", "\ufeffA=", "A", " \tA=b\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		env, err := readEnvFile(strings.NewReader(text))
		for k, v := range env {
			if err != nil || !envName.MatchString(k) || strings.Contains(v, "\n") || !strings.Contains(text, v) {
				t.Fatalf("%q: %q=%q, %v", text, k, v, err)
			}
		}
	})
}
