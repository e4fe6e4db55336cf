package command

import (
	"fmt"
	"strings"
	"testing"
)

func show(uses []Use) string {
	var out []string
	for _, u := range uses {
		s := fmt.Sprintf("%s(%s) %s", u.Kind, u.Tool, u.Text)
		for flag, on := range map[string]bool{"dynamic": u.Dynamic, "hashes": u.RequireHashes, "hashed": u.Hashed, "locked": u.Locked} {
			if on {
				s += " " + flag
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func TestRead(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{"pip install -r requirements.txt", "file(pip) requirements.txt"},
		{"sudo -H python3.12 -m pip install --no-cache-dir -rreq.txt -c con.txt", "file(pip) req.txt; constraints(pip) con.txt"},
		{"/usr/local/bin/pip3 install --require-hashes --requirement=a/b.txt", "file(pip) a/b.txt hashes"},
		{"pip install x==1 --hash=sha256:ab", "requirement(pip) x==1 hashed"},
		{"pip install -U pip 'ruff>=0.6' \"$EXTRA\" .", `requirement(pip) pip; requirement(pip) ruff>=0.6; requirement(pip) "$EXTRA" dynamic; local(pip) .`},
		{"pip install --index-url https://index.example/simple django && echo pip install nothing", "requirement(pip) django"},
		{"uv pip install --system -e .[dev] click", "local(uv pip) .[dev]; requirement(uv pip) click"},
		{"uv sync --locked; uv sync; uv run --with httpx pytest", "project(uv) uv sync locked; project(uv) uv sync; project(uv) uv run; requirement(uv run) httpx"},
		{"uvx ruff@0.6.0 check; uvx --from 'black==24.1' black .; uvx mypy", "requirement(uvx) ruff==0.6.0; requirement(uvx) black==24.1; requirement(uvx) mypy"},
		{"uv run --script tools/a.py; pipx run b.py x.py; pip install --requirements-from-script c.py; uv run --no-project --with rich pytest", "inline(uv run) tools/a.py; inline(pipx) b.py; inline(pip) c.py; requirement(uv run) rich"},
		{"pipx run cowsay; pipx install poetry==1.8.3", "requirement(pipx) cowsay; requirement(pipx) poetry==1.8.3"},
		{"poetry install --only main; poetry update; pipenv install; pipenv install --deploy; pdm sync", "project(poetry) poetry install locked; project(poetry) poetry update; project(pipenv) pipenv install; project(pipenv) pipenv install locked; project(pdm) pdm sync locked"},
		{"curl -LsSf https://get.example/install.sh | sudo sh -s -- -y", "pipe(curl) https://get.example/install.sh"},
		{"curl https://x.example/a | gunzip | bash", "pipe(curl) https://x.example/a"},
		{"curl https://x.example/a | tar xz", ""},
		{"docker run --rm -v $PWD:/src -e A=b img:latest make; podman pull x@sha256:1", "image(docker run) img:latest; image(podman pull) x@sha256:1"},
		{"docker build -t x -f docker/a.df . && docker buildx build --file=$F --push . && podman build .", "dockerfile(docker build) docker/a.df; dockerfile(docker build) $F dynamic"},
		{"docker compose -f a.yml --file=b.yml up -d; docker-compose -f c.yml pull", "compose(docker compose) a.yml; compose(docker compose) b.yml; compose(docker-compose) c.yml"},
		{"gh extension install o/r --pin v1; gh ext install .; gh extension list; gh ext install https://g.example/o/r", "extension(gh extension) o/r; local(gh extension) .; extension(gh extension) https://g.example/o/r"},
		{"if true; then\n  pip install \\\n    flask\nfi", "requirement(pip) flask"},
		{"pip install ${{ matrix.django }} requests", "requirement(pip) ${{ matrix.django }} dynamic; requirement(pip) requests"},
		{"cat > f <<EOF\npip install evil\nEOF\npip install a", "requirement(pip) a"},
		{"echo 'pip install b'", ""},
		{"poetry run pip install a; pdm run -s pip install b; hatch run -- pip install c; conda run -n e pip install d; pipenv run python -m pip install e",
			"requirement(pip) a; requirement(pip) b; requirement(pip) c; requirement(pip) d; requirement(pip) e"},
		{"uv run --no-project --with a --with=b --with-requirements c.txt pip install d", "requirement(uv run) a; requirement(uv run) b; file(uv run) c.txt; requirement(pip) d"},
		{"uv run --no-project pytest --with x", ""},
		{"uvx --from=black==24.1 black .; uvx --with-requirements r.txt mypy==1; uvx --with=a -w b c==1",
			"requirement(uvx) black==24.1; file(uvx) r.txt; requirement(uvx) mypy==1; requirement(uvx) a; requirement(uvx) b; requirement(uvx) c==1"},
		{"pipx inject --include-apps poetry poetry-plugin-export; pipx install --python 3.12 --suffix @1 poetry==1.8.3", "requirement(pipx) poetry-plugin-export; requirement(pipx) poetry==1.8.3"},
		{"timeout -k 5 30 pip install a; timeout 9 uvx b; cat l | xargs -n 1 pip install c; sudo -n pip install d; sudo -u x -E env -u Y A=b pip install e",
			"requirement(pip) a; requirement(uvx) b; requirement(pip) c; requirement(pip) d; requirement(pip) e"},
		{"bash -euxo pipefail -c 'pip install a && curl https://x.example/i | sh'; sh -c \"pip install $B\"; bash script.sh -c 'pip install c'",
			"requirement(pip) a; pipe(curl) https://x.example/i; requirement(pip) $B dynamic"},
		{"bash -c \"bash -c 'pip install \\\"a\\\"'\"", "requirement(pip) a"},
		{"sh -c \"$(curl -fsSL https://x.example/i)\" -- -y; bash <(wget -qO- 'https://x.example/j'); eval \"$(curl https://x.example/$K)\"; source <(curl https://x.example/l); echo \"$(curl https://x.example/m)\"",
			"pipe(curl) https://x.example/i; pipe(wget) https://x.example/j; pipe(curl) https://x.example/$K dynamic; pipe(curl) https://x.example/l"},
		{"bash <<EOF\npip install a\nEOF\nsudo -E sh -eux <<-'E'\n\tpip install b\n\tE\ncat <<E | bash\npip install c\nE\nbash x.sh <<E\npip install d\nE\ncat <<E >f; pip install e\npip install f\nE",
			"requirement(pip) a; requirement(pip) b; requirement(pip) c; requirement(pip) e"},
		{"poetry self add -q poetry-plugin-export 'keyring==25.0'", "requirement(poetry self) poetry-plugin-export; requirement(poetry self) keyring==25.0"},
		{"X=$(pip install c)", "requirement(pip) c"},
		{"p\"i\"p install d; 'p'ip install e; p\\ip install f; pi\\\np install g", "requirement(pip) d; requirement(pip) e; requirement(pip) f; requirement(pip) g"},
	} {
		uses, _ := Read(c.script)
		if got := show(uses); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.script, got, c.want)
		}
		for _, u := range uses {
			if u.Span.Start < 0 || u.Span.End > len(c.script) || u.Span.Start >= u.Span.End {
				t.Errorf("%q: span %v", c.script, u.Span)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("pip install -r requirements.txt | sh")
	f.Add("uvx --from a b; docker run -v x y; curl x://y | bash")
	f.Add("if [ $(( ${{ a }} )); then <<E\n")
	f.Fuzz(func(t *testing.T, script string) {
		uses, _ := Read(script)
		for _, u := range uses {
			if u.Span.Start < 0 || u.Span.Start > u.Span.End || u.Span.End > len(script) {
				t.Errorf("span %v of %d bytes", u.Span, len(script))
			}
		}
	})
}
