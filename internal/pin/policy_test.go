package pin_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/pin"
)

func policyRun(t *testing.T, files map[string]string, exceptions ...map[string]any) (found []string, excepted int) {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	cfg := pin.Config{Today: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	for i, table := range exceptions {
		e, err := pin.NewException(table, "pyproject.toml", 10+i)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Exceptions = append(cfg.Exceptions, e)
	}
	rep, err := pin.Check(context.Background(), fsys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rep.Findings {
		found = append(found, f.Rule)
	}
	return found, len(rep.Excepted)
}

func TestExceptions(t *testing.T) {
	const workflow = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: acme/deploy@v1\n      - uses: other/thing@v1\n"
	files := map[string]string{".github/workflows/ci.yml": workflow}
	for _, c := range []struct {
		name       string
		files      map[string]string
		exceptions []map[string]any
		want       string
		excepted   int
	}{
		{"none", files, nil, "action/not-pinned action/not-pinned", 0},
		{"by owner", files, []map[string]any{{"owner": "acme", "reason": "ours"}}, "action/not-pinned", 1},
		{"by subject", files, []map[string]any{{"subject": "other/*", "reason": "x"}}, "action/not-pinned", 1},
		{"by path and rule", files, []map[string]any{{"rule": "action/*", "path": ".github/**", "reason": "x"}}, "", 2},
		{"conditions are joined", files, []map[string]any{{"rule": "action/*", "path": "docs/**", "reason": "x"}}, "action/not-pinned action/not-pinned policy/unused", 0},
		{"the last day counts", files, []map[string]any{{"rule": "*/*", "reason": "x", "expires": "2026-11-21"}}, "", 2},
		{"expired", files, []map[string]any{{"rule": "*/*", "reason": "x", "expires": "2026-11-20"}}, "action/not-pinned action/not-pinned policy/expired", 0},
		{"on the line", map[string]string{"Dockerfile": "FROM python:3.13 # fairlead: ignore[image/not-pinned] because\n"}, nil, "", 1},
		{"above", map[string]string{"Dockerfile": "# fairlead: ignore[image/*] because\n# more words\nFROM python:3.13\n"}, nil, "image/not-pinned policy/unused", 0},
		{"directly above", map[string]string{"Dockerfile": "# fairlead: ignore[image/*] because\nFROM python:3.13\n"}, nil, "", 1},
		{"two above", map[string]string{"requirements.txt": "# fairlead: ignore[python/no-hash] a\n# fairlead: ignore[python/not-pinned, python/other] b\ndjango>=4\n"}, nil, "policy/unused", 1},
		{"in YAML", map[string]string{".github/workflows/ci.yml": strings.Replace(workflow, "acme/deploy@v1", "acme/deploy@v1 # fairlead: ignore[action/not-pinned] ours", 1)}, nil, "action/not-pinned", 1},
		{"another rule", map[string]string{"requirements.txt": "django>=4 # fairlead: ignore[python/no-hash] x\n"}, nil, "policy/unused python/not-pinned", 0},
		{"no reason", map[string]string{"requirements.txt": "django>=4 # fairlead: ignore[python/not-pinned]\n"}, nil, "policy/no-reason python/not-pinned", 0},
	} {
		found, excepted := policyRun(t, c.files, c.exceptions...)
		if got := strings.Join(slices.Sorted(slices.Values(found)), " "); got != c.want || excepted != c.excepted {
			t.Errorf("%s: findings %q, want %q; %d excepted, want %d", c.name, got, c.want, excepted, c.excepted)
		}
	}
}

func TestBadExceptions(t *testing.T) {
	for _, table := range []map[string]any{
		{}, {"reason": "x"}, {"rule": "a/b"}, {"rule": "a/b", "reason": "  "}, {"rule": 3, "reason": "x"}, {"rool": "a/b", "reason": "x"},
		{"rule": "a/b", "reason": "x", "expires": "soon"}, {"rule": "[", "reason": "x"},
	} {
		if _, err := pin.NewException(table, "pyproject.toml", 7); failure.CodeOf(err) != failure.Usage || !strings.Contains(err.Error(), "pyproject.toml:7: exception: ") {
			t.Errorf("%v: %v", table, err)
		}
	}
}
