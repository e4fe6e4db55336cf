package pin_test

func dc(src string, subjects, findings []string) hard {
	return hard{"devcontainer", "x/.devcontainer/devcontainer.json", src, subjects, findings}
}

// hardDevcontainers are cases of development containers; x/.devcontainer has a
// lock for the feature locked:1.
func hardDevcontainers() []hard {
	return []hard{
		dc(`{"image": "python:3.13"}`, l{"unpinned python:3.13"}, l{"error image/not-pinned python:3.13"}),
		dc(`{"image": "python`+digest+`", /* "image": "a:1" */ }`, l{"pinned by digest python" + digest}, nil),
		dc(`{"image": "a:${localEnv:TAG}"}`, l{"unpinned a:${localEnv:TAG}"}, l{"error image/build-arg a:${localEnv:TAG}"}),
		dc(`{"image": "a:${localEnv:TAG:1}"}`, l{"unpinned a:${localEnv:TAG:1}"}, l{"error image/not-pinned a:${localEnv:TAG:1}"}),
		dc(`{"features": {"ghcr.example/f/go:1": {}, "./mine": {}}}`, l{"unpinned ghcr.example/f/go:1", "local ./mine"}, l{"error devcontainer/feature ghcr.example/f/go:1"}),
		dc(`{"features": {"ghcr.example/f/go`+digest+`": {}, "ghcr.example/f/locked:1": {}}}`, l{"pinned by digest ghcr.example/f/go" + digest, "pinned by lock ghcr.example/f/locked:1"}, nil),
		dc(`{"features": {"ghcr.example/f/go@sha256:short": {}, "node": {}}}`, l{"unpinned ghcr.example/f/go@sha256:short", "unpinned node"}, l{
			"error devcontainer/feature ghcr.example/f/go@sha256:short", "error devcontainer/feature node"}),
		dc(`{"features": {"ghcr.example/f/moved:1": {}, "https://x.example/devcontainer-feature-a.tgz": {}, "https://x.example/devcontainer-feature-b.tgz": {}}}`,
			l{"unpinned ghcr.example/f/moved:1", "pinned by lock https://x.example/devcontainer-feature-a.tgz", "unpinned https://x.example/devcontainer-feature-b.tgz"},
			l{"error devcontainer/feature ghcr.example/f/moved:1", "error devcontainer/feature https://x.example/devcontainer-feature-b.tgz"}),
		dc(`{"build": {"dockerfile": "../dev.df"}}`, l{"unpinned dev:1"}, l{"error image/not-pinned dev:1"}),
		dc(`{"dockerComposeFile": ["../dev-services.yml"]}`, l{"unpinned db:1"}, l{"error image/not-pinned db:1"}),
		dc(`{"postCreateCommand": "echo \"x\"; pip install flask", "onCreateCommand": ["pip", "install", "a>1"], "updateContentCommand": {"x": "uvx ruff", "y": ["pip", "install", "black==1"]}}`,
			l{`unpinned flask`, "unpinned a>1", "unpinned ruff", "pinned by version black==1"},
			l{`error command/not-pinned flask`, `error command/not-pinned "a>1"`, "error command/not-pinned ruff"}),
		dc(`{"postCreateCommand": "pip install -r base.txt"}`, l{"pinned by version bar==2.0"}, l{"warning python/no-hash bar==2.0"}),
		dc(`{"image": `, nil, l{"error devcontainer/unparsable "}),
	}
}
