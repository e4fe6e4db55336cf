package start

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// input makes a project of a text archive: Procfile, and modules below the
// import roots "" and src.
func input(t *testing.T, archive string, locked ...string) Input {
	t.Helper()
	in := Input{Locked: func(n string) bool { return slices.Contains(locked, n) }, Bin: "/app/.venv/bin"}
	for _, f := range txtar.Parse([]byte(archive)).Files {
		if f.Name == "Procfile" {
			in.Procfile = f.Data
			continue
		}
		m := Module{Path: f.Name, Root: "/app", Read: func() ([]byte, error) { return f.Data, nil }}
		name, ok := strings.CutSuffix(f.Name, ".py")
		if !ok {
			t.Fatalf("file %q", f.Name)
		}
		if rest, ok := strings.CutPrefix(name, "src/"); ok {
			name, m.Root = rest, "/app/src"
		}
		name, m.Package = strings.CutSuffix(name, "/__init__")
		m.Name = strings.ReplaceAll(name, "/", ".")
		in.Modules = append(in.Modules, m)
	}
	return in
}

func TestDetect(t *testing.T) {
	for _, tt := range []struct {
		name, archive, locked, want string
	}{
		{"flask", "-- shop.py --\nfrom flask import Flask\napp = Flask(__name__)\n", "flask gunicorn", "gunicorn shop:app"},
		{"flask by module", "-- src/shop/app.py --\nimport flask\napplication: flask.Flask = flask.Flask('x')\n", "flask gunicorn", "gunicorn shop.app:application"},
		{"factory", "-- shop/__init__.py --\nfrom flask import Flask\ndef create_app(test=None):\n    app = Flask(__name__)\n    return app\n", "flask gunicorn", "gunicorn 'shop:create_app()'"},
		{"factory used", `-- shop/__init__.py --
from .factory import create_app
-- shop/factory.py --
from flask import Flask
def create_app(settings):
    return Flask(__name__)
-- shop/wsgi.py --
from shop import create_app as make
try:
    app = make(1)
except ValueError:
    raise
`, "flask gunicorn", "gunicorn shop.wsgi:app"},
		{"relative import", "-- a/b.py --\nfrom flask import Flask\ndef create_app():\n  return Flask(__name__)\n-- a/wsgi.py --\nfrom .b import create_app\napp = create_app()\n", "flask gunicorn", "gunicorn a.wsgi:app"},
		{"fastapi", "-- main.py --\nfrom fastapi import FastAPI\napp = FastAPI()\n", "fastapi starlette uvicorn", "uvicorn --host 0.0.0.0 --port ${PORT:-8000} main:app"},
		{"fastapi factory", "-- shop/main.py --\nfrom fastapi import FastAPI\ndef create_app() -> FastAPI:\n    app = FastAPI()\n    return app\n", "fastapi uvicorn", "uvicorn --host 0.0.0.0 --port ${PORT:-8000} --factory shop.main:create_app"},
		{"starlette", "-- app.py --\nfrom starlette.applications import Starlette\napp = Starlette(debug=True)\n", "starlette uvicorn", "uvicorn --host 0.0.0.0 --port ${PORT:-8000} app:app"},
		{"the main one of several", "-- shop/main.py --\nfrom fastapi import FastAPI\nfrom .admin import sub\napp = FastAPI()\n-- shop/admin.py --\nfrom fastapi import FastAPI\nsub = FastAPI()\n-- tests/test_x.py --\nfrom fastapi import FastAPI\napp = FastAPI()\n",
			"fastapi uvicorn", "uvicorn --host 0.0.0.0 --port ${PORT:-8000} shop.main:app"},
		{"django", "-- orders/settings.py --\nWSGI_APPLICATION = 'orders.wsgi.application'\n-- orders/wsgi.py --\n", "django gunicorn", "gunicorn orders.wsgi:application"},
		{"django with ASGI", "-- o/settings/base.py --\nWSGI_APPLICATION = 'o.wsgi.application'\nASGI_APPLICATION = 'o.asgi.application'\n-- o/settings/prod.py --\nASGI_APPLICATION = 'o.asgi.application'\n-- o/asgi.py --\n-- o/wsgi.py --\n",
			"django gunicorn uvicorn", "uvicorn --host 0.0.0.0 --port ${PORT:-8000} o.asgi:application"},
		{"django with uvicorn alone", "-- o/settings.py --\nWSGI_APPLICATION = 'o.wsgi.application'\n-- o/asgi.py --\n-- o/wsgi.py --\n", "django uvicorn", "uvicorn --host 0.0.0.0 --port ${PORT:-8000} o.asgi:application"},
		{"django in a folder", "-- backend/orders/settings.py --\nWSGI_APPLICATION = 'orders.wsgi.application'\n-- backend/orders/wsgi.py --\n", "django gunicorn", "gunicorn --chdir /app/backend orders.wsgi:application"},
		{"django without settings", "-- o/wsgi.py --\nfrom django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n-- o/asgi.py --\nfrom django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n", "django gunicorn uvicorn", "gunicorn o.wsgi:application"},
		{"no server", "-- shop.py --\nfrom flask import Flask\napp = Flask(__name__)\n", "flask", "shop.py:2 is a Flask application (WSGI), and the lock has no gunicorn"},
		{"no ASGI server", "-- main.py --\nfrom fastapi import FastAPI\napp = FastAPI()\n", "fastapi gunicorn", "main.py:2 is a FastAPI application (ASGI), and the lock has no uvicorn"},
		{"two equal ones", "-- a/app.py --\nimport flask\napp = flask.Flask('a')\n-- b/app.py --\nimport flask\napp = flask.Flask('b')\n", "flask gunicorn", "a.app:app (a/app.py:2), b.app:app (b/app.py:2)"},
		{"several settings", "-- o/a.py --\nWSGI_APPLICATION = 'o.x.a'\n-- o/b.py --\nWSGI_APPLICATION = 'o.y.a'\n", "django gunicorn", "o.x:a (o/a.py:1), o.y:a (o/b.py:1)"},
		{"a module that is not there", "-- o/a.py --\nWSGI_APPLICATION = 'gone.wsgi.application'\n", "django gunicorn", `o/a.py:1 names the module "gone.wsgi"`},
		{"nothing", "-- x.py --\nprint()\n", "flask gunicorn", "no application of Flask is found"},
		{"not the framework", "-- x.py --\nfrom flask import Flask\napp = Flask('x')\n", "gunicorn", "no application of a framework that is known here"},
		{"in a class", "-- x.py --\nfrom flask import Flask\nclass C:\n  app = Flask('x')\n  def f(self):\n    return Flask('y')\n", "flask gunicorn", "no application of Flask is found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := input(t, tt.archive, strings.Fields(tt.locked)...)
			p, err := Find(in)
			if err != nil {
				if failure.CodeOf(err) != failure.Usage || failure.HintOf(err) == "" || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("err = %v (%s)", err, failure.HintOf(err))
				}
				return
			}
			if got := p.Processes[0].Text; got != tt.want || p.Processes[0].Name != Web || len(p.Notes) != 1 {
				t.Errorf("%q, notes %q; want %q", got, p.Notes, tt.want)
			}
		})
	}
}

func TestProcesses(t *testing.T) {
	in := input(t, "-- Procfile --\n# comment\nrelease: python manage.py migrate && echo done\nworker: celery -A shop worker\nweb: gunicorn 'shop:make()' # x\n", "flask")
	in.Commands = []string{"celery", "gunicorn"}
	in.Extra = []string{"beat=celery -A shop beat", "worker=/usr/bin/other $X"}
	p, err := Find(in)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, q := range p.Processes {
		first, _ := q.Words[0].Literal()
		out = append(out, q.Name+" "+q.From+" "+first)
	}
	want := "web Procfile:4 /app/.venv/bin/gunicorn|beat --process /app/.venv/bin/celery|worker --process /usr/bin/other"
	if got := strings.Join(out, "|"); got != want {
		t.Errorf("processes %q, want %q", got, want)
	}
	if len(p.Notes) != 1 || !strings.Contains(p.Notes[0], `Procfile:2: "python manage.py migrate && echo done" needs a shell because of "&&"`) {
		t.Errorf("notes %q", p.Notes)
	}
	in.Entrypoint, in.Commands = "uvicorn x:y", []string{}
	if p, err = Find(in); err != nil || p.Processes[0].Text != "uvicorn x:y" {
		t.Errorf("with an entry point: %+v, %v", p, err)
	}
	for text, want := range map[string]string{
		"web: uwsgi x\n":                `Procfile:1: no locked package brings a command "uwsgi"`,
		"worker: python x\nb: python\n": `no process type "web"`,
		"web: a | b\nweb: c\n":          `Procfile:1: "a | b" needs a shell because of "|"`,
	} {
		if _, err := Find(Input{Procfile: []byte(text), Commands: []string{}, Locked: in.Locked}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if p, err := Find(Input{Procfile: []byte("worker: python x.py\n"), Locked: in.Locked}); err != nil || p.Processes[0].Name != "worker" {
		t.Errorf("a worker alone: %+v, %v", p, err)
	}
	if p, err := Find(Input{Extra: []string{"worker=celery"}, Locked: in.Locked}); err != nil || p.Processes[0].Name != "worker" || len(p.Notes) != 1 {
		t.Errorf("a worker by itself: %+v, %v", p, err)
	}
	if _, err := Find(Input{Extra: []string{"x y"}, Locked: in.Locked}); failure.CodeOf(err) != failure.Usage {
		t.Errorf("no NAME=COMMAND: %v", err)
	}
}

func TestShellSyntaxIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"a && b": `"&&"`, "a; b": "several", "a &": `"&"`, "a > f": `">"`, "a $(b)": `"$("`, "a `b`": `"$("`, "a *.py": `"*"`, "a ~/x": `"~"`, "! a": `"!"`,
		"a ${X%y}": `"${X…}"`, "a ${X:?no}": `"${X…}"`, "a ${X:-$Y}": `"${X…}"`, "a $1": `"${1…}"`, "a $@": `"${@…}"`, "a $((1))": `"$("`, "X=1": "empty", "a shop:make()": "quotes", "if a; then b; fi": "syntax", "a 'b": "quotes", "a <<E": "E",
	} {
		_, err := Parse(text, "Procfile:1")
		if failure.CodeOf(err) != failure.Usage || err == nil || !strings.Contains(err.Error()+failure.HintOf(err), want) {
			t.Errorf("%q: %v (%s); want %s", text, err, failure.HintOf(err), want)
		}
	}
}

// The launcher does what sh does with the same command.
func TestLauncherIsLikeAShell(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("NOT TESTED: the launcher needs python3 to run")
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("NOT TESTED: there is no sh to compare with")
	}
	env := []string{"PORT=9000", "EMPTY=", "TWO= a  b ", "PATH=" + os.Getenv("PATH"), "QUOTE='x'"}
	for _, text := range []string{
		"$PORT", "x:$PORT", "${PORT}0", "${NONE:-8000} ${NONE-y} ${EMPTY:-z} ${EMPTY-z}", `"$TWO" $TWO`, "a$TWO-b", `"a $PORT" 'a $PORT' a\ b \$PORT "\$PORT"`, "$NONE $EMPTY", `"$EMPTY" ""`, `''`,
		"$QUOTE", `a"b"'c'$PORT`, "$TWO$TWO", "-- --x", `"a\b" a\\b`, "ünï", "${EMPTY}x", "x$EMPTY", "$TWO''",
	} {
		text = sh + ` -c 'for a; do printf "[%s]" "$a"; done; printf %s "$NEW"' x ` + text
		c, err := Parse("NEW=\"$PORT\" "+text, "x:1")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		script, err := Plan{Processes: []Process{{Web, c, "x:1"}}}.Launcher(python, false)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "start")
		if err := os.WriteFile(file, script, 0o755); err != nil {
			t.Fatal(err)
		}
		got := output(t, env, file, "web")
		want := output(t, env, sh, "-c", "export NEW; NEW=\"$PORT\"; "+text)
		if got != want {
			t.Errorf("%s\n launcher %s\n sh       %s", text, got, want)
		}
	}
}

func output(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v", args, err)
	}
	return string(out)
}

func TestLauncher(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("NOT TESTED: the launcher needs python3 to run")
	}
	in := input(t, "-- Procfile --\nweb: "+python+" -c 'import os; print(os.getpid(), os.listdir(os.environ[\"PROMETHEUS_MULTIPROC_DIR\"]))'\nworker: nosuchcommand\n")
	p, err := Find(in)
	if err != nil {
		t.Fatal(err)
	}
	script, err := p.Launcher(python, true)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "start")
	if err := os.WriteFile(file, script, 0o755); err != nil {
		t.Fatal(err)
	}
	metrics := filepath.Join(dir, "a", "prometheus")
	if err := os.MkdirAll(metrics, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(metrics, "counter_1.db"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, int, int) {
		cmd := exec.Command(file, args...)
		cmd.Env = []string{"PROMETHEUS_MULTIPROC_DIR=" + metrics, "PATH=" + os.Getenv("PATH")}
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode(), cmd.ProcessState.Pid()
	}
	out, code, pid := run("web")
	if fields := strings.Fields(out); code != 0 || len(fields) != 2 || fields[1] != "[]" {
		t.Errorf("web: %q, exit code %d", out, code)
	} else if want := pid; fields[0] != strconv.Itoa(want) {
		t.Errorf("web runs as process %s, not %d: signals would not reach it", fields[0], want)
	}
	if out, code, _ := run("worker"); code != 127 || !strings.Contains(out, "no command 'nosuchcommand'; processes: web, worker") {
		t.Errorf("worker: %q, exit code %d", out, code)
	}
	if out, code, _ := run("echo", "$X", "web"); code != 0 || out != "$X web\n" {
		t.Errorf("a command: %q, exit code %d", out, code)
	}
	if out, code, _ := run(); code != 1 || !strings.Contains(out, "name a process (web, worker)") {
		t.Errorf("nothing: %q, exit code %d", out, code)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"gunicorn 'a:b()'", "X=1 exec a $B ${C:-d} \"e $F\"", "a\\\nb", "$"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse(s, "x:1")
		if err != nil {
			return
		}
		if len(c.Words) == 0 {
			t.Error("a command without words")
		}
		if _, err := (Plan{Processes: []Process{{Web, c, "x:1"}}}).Launcher("/python", false); err != nil {
			t.Error(err)
		}
	})
}
