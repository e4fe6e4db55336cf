package pin_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
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

// counting counts how often files and folders are opened.
type counting struct {
	fstest.MapFS
	opened *sync.Map
}

func (c counting) count(name string) {
	n, _ := c.opened.LoadOrStore(name, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

func (c counting) Open(name string) (fs.File, error) {
	c.count(name)
	return c.MapFS.Open(name)
}

func (c counting) ReadDir(name string) ([]fs.DirEntry, error) {
	c.count(name)
	return c.MapFS.ReadDir(name)
}

// TestWheelhouseReadOnce: many requirements files that name the same folder of
// wheels cost as many looks into it as a single one does.
func TestWheelhouseReadOnce(t *testing.T) {
	opens := func(files int) (wheels, folder int64) {
		fsys := counting{fstest.MapFS{}, &sync.Map{}}
		const whl = "wheelhouse/base-1.0-py3-none-any.whl"
		fsys.MapFS[whl] = &fstest.MapFile{Data: wheeltest.Wheel{Name: "base", Version: "1.0", Requires: []string{"missing"}}.Build()}
		for i := range files {
			fsys.MapFS[fmt.Sprintf("requirements/%02d.txt", i)] = &fstest.MapFile{Data: []byte("base==1.0" + hash + "\n")}
		}
		rep, err := pin.Check(context.Background(), fsys, pin.Config{})
		if err != nil {
			t.Fatal(err)
		}
		gaps := 0
		for _, f := range rep.Findings {
			if f.Rule == "lock/incomplete" {
				gaps++
			}
		}
		if gaps != files {
			t.Errorf("%d gaps in %d files", gaps, files)
		}
		of := func(name string) int64 {
			if n, ok := fsys.opened.Load(name); ok {
				return n.(*atomic.Int64).Load()
			}
			return 0
		}
		return of(whl), of("wheelhouse")
	}
	wheels, folder := opens(1)
	if wheels == 0 || folder == 0 {
		t.Fatalf("one file opens the wheel %d times, its folder %d times", wheels, folder)
	}
	if w, f := opens(30); w != wheels || f != folder {
		t.Errorf("30 files open the wheel %d times, its folder %d times; one file %d and %d times", w, f, wheels, folder)
	}
}
