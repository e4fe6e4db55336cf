package pin_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/pin"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

// TestIncompleteFromWheels: what a wheel of the tree needs is known without a
// network.
func TestIncompleteFromWheels(t *testing.T) {
	whl := wheeltest.Wheel{Name: "Flask_Extra", Version: "1.0", Requires: []string{"missing.package >=2", "elsewhere; sys_platform == 'win32'"}}.Build()
	line := "flask-extra==1.0" + hash + "\n"
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"wheelhouse":             {map[string]string{"requirements.txt": line}, `"flask-extra 1.0" needs "missing.package>=2", and the file does not have it`},
		"another version listed": {map[string]string{"requirements.txt": line + "missing-package==1.0" + hash + "\n"}, "and the file has 1.0"},
		"with --no-deps":         {map[string]string{"requirements.txt": line, "Dockerfile": "FROM scratch\nRUN pip install --no-deps -r requirements.txt\n"}, ""},
		"with and without":       {map[string]string{"requirements.txt": line, "Dockerfile": "FROM scratch\nRUN pip install --no-deps -r requirements.txt\nRUN pip install -r requirements.txt\n"}, "missing.package"},
		"listed":                 {map[string]string{"requirements.txt": line + "missing_package==2.1" + hash + "\n"}, ""},
		"of another version":     {map[string]string{"requirements.txt": "flask-extra==1.1" + hash + "\n"}, ""},
		"not hashed":             {map[string]string{"requirements.txt": "flask-extra==1.0\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := fstest.MapFS{"wheelhouse/Flask_Extra-1.0-py3-none-any.whl": {Data: whl}, "wheelhouse/broken-1.0-py3-none-any.whl": {Data: []byte("PK")}}
			for name, text := range tc.files {
				fsys[name] = &fstest.MapFile{Data: []byte(text)}
			}
			rep, err := pin.Check(context.Background(), fsys, pin.Config{})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, f := range rep.Findings {
				if f.Rule == "lock/incomplete" {
					got += f.Message
				}
			}
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("found %q, want %q", got, tc.want)
			}
		})
	}
}
