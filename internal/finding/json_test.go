package finding_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

type inner struct {
	A string         `json:"a"`
	B []int          `json:"b,omitempty"`
	C map[string]any `json:"c"`
}

type document struct {
	Schema int       `json:"schema"`
	List   []inner   `json:"list"`
	None   []inner   `json:"none"`
	Gone   []inner   `json:"gone,omitempty"`
	Empty  []string  `json:"empty"`
	Words  []string  `json:"words"`
	When   time.Time `json:"when"`
	Ptr    *inner    `json:"ptr,omitempty"`
	Raw    any       `json:"raw"`
}

type embedded struct {
	inner
	List []string `json:"list"`
}

// TestWriteJSON: the document is what encoding/json would write, but for what
// does something to a terminal.
func TestWriteJSON(t *testing.T) {
	in := inner{"<a>&\"\\\n\u00e9", []int{1, 2}, map[string]any{"x": []any{}, "y": map[string]any{}, "z": []any{1.5, nil, true}}}
	long := make([]inner, 3000)
	for i := range long {
		long[i] = in
	}
	for _, doc := range []any{
		nil, 1, "x", []string{}, map[string]any{"a": []int{1}}, struct{}{}, in, &in,
		document{Schema: 1}, document{Schema: 1, List: []inner{in, {}}, Empty: []string{}, Words: []string{"a", "[{,:"}, Ptr: &in, Raw: []inner{in}},
		document{List: long}, embedded{in, []string{"x"}},
		struct {
			F []finding.Finding `json:"f"`
		}{[]finding.Finding{{}, {Rule: "a/b", Severity: finding.Error, Path: "ü \"x\"", Line: 1, Column: 2, EndLine: 3, EndColumn: 4, Message: "a\\b\nc", Hint: "<h>", Context: []string{"x", "y\""},
			Fix: &finding.Fix{Description: "d", Edits: []finding.Edit{{Path: "p", Start: 1, End: 2, Text: "t"}}}}}},
	} {
		var want, got bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(doc); err != nil {
			t.Fatal(err)
		}
		if err := finding.WriteJSON(&got, doc); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("%T: got %.2000s\nwant %.2000s", doc, got.String(), want.String())
		}
	}
	if err := finding.WriteJSON(&bytes.Buffer{}, func() {}); err == nil || !strings.HasPrefix(err.Error(), "writing JSON: ") {
		t.Errorf("a function is no document: %v", err)
	}
	var b bytes.Buffer
	if err := finding.WriteJSON(&b, document{Words: []string{"a\u202eb\u009bc\U000e0041d\x7f"}}); err != nil || !strings.Contains(b.String(), `"a\u202eb\u009bc\udb40\udc41d\u007f"`) {
		t.Errorf("hidden characters: %v %s", err, b.String())
	}
}

// TestSARIFItemByItem: a long log is written while it is made, and a writer that
// fails ends it.
func TestSARIFItemByItem(t *testing.T) {
	const n = 5000
	var fs []finding.Finding
	for i := range n {
		fs = append(fs, finding.Finding{Rule: "a/b", Severity: finding.Error, Path: fmt.Sprintf("%04d", i), Line: 1, Column: 1, Message: "[] {}"})
	}
	var out bytes.Buffer
	before := 0
	s := finding.SARIF{Tool: "test", Source: func(path string) []byte {
		if path == fmt.Sprintf("%04d", n-1) {
			before = out.Len()
		}
		return nil
	}}
	if err := s.Write(&out, fs); err != nil {
		t.Fatal(err)
	}
	if before < out.Len()/2 {
		t.Errorf("%d of %d bytes are written when the last result is made", before, out.Len())
	}
	var log struct {
		Runs []struct{ Results []struct{ RuleID string } }
	}
	if err := json.Unmarshal(out.Bytes(), &log); err != nil || len(log.Runs) != 1 || len(log.Runs[0].Results) != n {
		t.Errorf("%v: %d runs", err, len(log.Runs))
	}
	if err := s.Write(full{}, fs); !errors.Is(err, errFull) {
		t.Errorf("a writer that fails: %v", err)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
