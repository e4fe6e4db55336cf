package pin_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin"
)

const pages = "../../docs/rules"

// TestEveryRuleHasItsPage keeps rules and docs/rules together: a page per rule,
// its examples do what they say, and the index lists them all.
func TestEveryRuleHasItsPage(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(pages, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"README.md": true}
	for _, r := range pin.Rules() {
		t.Run(r.ID, func(t *testing.T) {
			name := filepath.Base(finding.Page("", r.ID))
			if known[name] {
				t.Errorf("two rules have the page %s", name)
			}
			known[name] = true
			if !strings.Contains(string(index), "["+r.ID+"]("+name+")") {
				t.Errorf("README.md does not list %s", r.ID)
			}
			data, err := os.ReadFile(filepath.Join(pages, name))
			if err != nil {
				t.Fatal(err)
			}
			text := string(data)
			intro := strings.ToUpper(r.Title[:1]) + r.Title[1:] + ". Severity: " + string(r.Severity)
			if !strings.HasPrefix(text, "# "+r.ID+"\n\n"+intro) {
				t.Errorf("%s does not begin with %q", name, intro)
			}
			if found := check(t, r, example(t, text, "Bad")); found[r.ID] == 0 {
				t.Errorf("the bad example does not yield %s but %v", r.ID, found)
			}
			if found := check(t, r, example(t, text, "Good")); len(found) != 0 {
				t.Errorf("the good example yields %v", found)
			}
			if !strings.Contains(text, "\n## Why\n") || !strings.Contains(text, "\n## How to fix\n") {
				t.Errorf("%s lacks a section", name)
			}
		})
	}
	files, err := os.ReadDir(pages)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f.Name()] {
			t.Errorf("%s explains no rule", f.Name())
		}
	}
}

// check runs an example with only the rule's own switch changed and counts the
// findings by rule.
func check(t *testing.T, r pin.Rule, fsys fstest.MapFS) map[string]int {
	t.Helper()
	cfg := pin.Config{}
	if r.OptIn {
		cfg.Severity = map[string]string{r.ID: string(r.Severity)}
	}
	if r.ID == "file/limit" {
		cfg.MaxFiles = 1
	}
	if f := fsys["fairlead.toml"]; f != nil {
		var doc struct {
			PinCheck struct {
				Exceptions []map[string]any `toml:"exceptions"`
			} `toml:"pin-check"`
		}
		if err := toml.Unmarshal(f.Data, &doc); err != nil {
			t.Fatal(err)
		}
		cfg.Today = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
		for _, table := range doc.PinCheck.Exceptions {
			e, err := pin.NewException(table, "fairlead.toml", 2)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Exceptions = append(cfg.Exceptions, e)
		}
	}
	if f := fsys["resolution.json"]; f != nil {
		res, err := pin.ReadResolution("resolution.json", f.Data)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Source, cfg.Verify = res, true
		delete(fsys, "resolution.json")
	} else if r.ID == "online/unanswered" {
		cfg.Source, cfg.Verify = down{}, true
	}
	rep, err := pin.Check(context.Background(), fsys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, f := range rep.Findings {
		found[f.Rule]++
	}
	return found
}

// down is a source whose services do not answer.
type down struct{ pin.Source }

func (down) Refs(context.Context, string) (pin.Refs, error) {
	return pin.Refs{}, errors.New("GitHub does not answer")
}

var fence = regexp.MustCompile("(?ms)^```(\\S+) ([^\n]+)\n(.*?)^```$")

// example makes a tree of a section's code blocks. The words behind a block's
// language name its file; "escaped" says that it is written with Go's escapes,
// "->" that it is a symbolic link.
func example(t *testing.T, text, section string) fstest.MapFS {
	t.Helper()
	_, text, _ = strings.Cut(text, "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	fsys := fstest.MapFS{}
	for _, m := range fence.FindAllStringSubmatch(text+"\n", -1) {
		name, data := m[2], m[3]
		if link, target, ok := strings.Cut(name, " -> "); ok {
			fsys[link] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink}
			continue
		}
		if n, ok := strings.CutSuffix(name, " escaped"); ok {
			s, err := strconv.Unquote(`"` + strings.TrimSuffix(data, "\n") + `\n"`)
			if err != nil {
				t.Fatal(err)
			}
			name, data = n, s
		}
		fsys[name] = &fstest.MapFile{Data: []byte(data)}
	}
	if len(fsys) == 0 {
		t.Fatalf("no example in %s", section)
	}
	return fsys
}
