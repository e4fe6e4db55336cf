package image_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

// server locks a framework and its server.
func (w *world) server() {
	w.add(wheeltest.Wheel{Name: "flask", Version: "3", Files: map[string]string{"flask/__init__.py": ""}})
	w.add(wheeltest.Wheel{Name: "gunicorn", Version: "23", Files: map[string]string{"gunicorn.py": ""}, EntryPoints: "[console_scripts]\ngunicorn = gunicorn:run\n"})
	w.add(wheeltest.Wheel{Name: "prometheus-client", Version: "1", Files: map[string]string{"prometheus_client.py": ""}})
}

// The application object is found wherever the project's files end up.
func TestStartIsFound(t *testing.T) {
	const pyproject = "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n[project]\nname = \"shop\"\nversion = \"1\"\n"
	const flask = "from flask import Flask\napp = Flask(__name__)\n"
	for _, tt := range []struct {
		name string
		set  func(*world, *image.Request)
		want string
	}{
		{"source", func(w *world, _ *image.Request) { w.file("shop.py", flask) }, "gunicorn shop:app"},
		{"package", func(w *world, _ *image.Request) {
			w.file("pyproject.toml", pyproject)
			w.file("src/shop/web.py", flask)
		}, "gunicorn shop.web:app"},
		{"source with src", func(w *world, r *image.Request) {
			r.Project = image.ProjectSource
			_ = os.Remove(filepath.Join(w.context, "shop.py"))
			w.file("src/shop/__init__.py", flask)
		}, "gunicorn shop:app"},
		{"wheel", func(w *world, r *image.Request) {
			own := wheeltest.Wheel{Name: "shop", Version: "7", Files: map[string]string{"shop/__init__.py": flask}}
			w.write(filepath.Join(w.context, "dist", own.Filename()), string(own.Build()))
			r.Wheel = "dist/" + own.Filename()
		}, "gunicorn shop:app"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.server()
			_ = os.Remove(filepath.Join(w.context, "Procfile"))
			w.file("shop.py", "")
			r := w.request()
			r.Platforms = []string{"linux/amd64"}
			tt.set(w, &r)
			plan, err := image.Plan(t.Context(), r, deps())
			if err != nil {
				t.Fatal(err)
			}
			res := build(t, r, deps())
			if res.Processes["web"] != tt.want || plan.Processes["web"] != tt.want {
				t.Errorf("built %v, planned %v; want %q", res.Processes, plan.Processes, tt.want)
			}
		})
	}
}

// The folder for numbers of several processes is set where the application
// reads it.
func TestFolderOfMetrics(t *testing.T) {
	for name, tt := range map[string]struct {
		file, text string
		want       bool
	}{
		"nothing":     {"x.py", "", false},
		"gunicorn":    {"gunicorn.conf.py", "os.environ['PROMETHEUS_MULTIPROC_DIR']", true},
		"application": {"metrics.py", "from prometheus_client.multiprocess import MultiProcessCollector", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.server()
			w.file(tt.file, tt.text)
			out := filepath.Join(t.TempDir(), "oci")
			r := w.request()
			r.Platforms, r.Outputs = []string{"linux/amd64"}, []image.Output{{Kind: image.OutputOCI, Path: out}}
			r.Processes = []string{"worker=PORT=1 served ${QUEUE:-mail}"}
			build(t, r, deps())
			img, err := oci.ReadLayout(out, "linux/amd64")
			if err != nil {
				t.Fatal(err)
			}
			c, _ := img.ConfigFile()
			if got := slices.Contains(c.Config.Env, "PROMETHEUS_MULTIPROC_DIR=/tmp/prometheus"); got != tt.want {
				t.Errorf("environment %q", c.Config.Env)
			}
			if c.Config.Labels["dev.fairlead.process.worker"] != "PORT=1 served ${QUEUE:-mail}" {
				t.Errorf("labels %v", c.Config.Labels)
			}
			if start := contents(t, img, 1)["app/.venv/bin/fairlead-start"]; !strings.Contains(start, "METRICS = True") || !strings.HasPrefix(start, "#!/app/.venv/bin/python -IS\n") {
				t.Errorf("launcher\n%s", start)
			}
		})
	}
}
