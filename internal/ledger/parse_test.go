package ledger

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

func TestParseEntry(t *testing.T) {
	for text, newer := range map[string]bool{
		`{"v": 2, "whatever": 1}`: true, `{"v": 1, "seq": 1, "freeze": {}}`: true,
		`{"v": 0}`: false, `{}`: false, `[]`: false, `{"v": 1, "seq": "one"}`: false, `{"v": 1} {"v": 1}`: false, ``: false,
	} {
		if _, err := ParseEntry([]byte(text)); err == nil || errors.Is(err, ErrNewer) != newer {
			t.Errorf("%q: %v, newer should be %v", text, err, newer)
		}
	}
	if e, err := ParseEntry([]byte(`{"v": 1, "seq": 3, "kind": "hold"}`)); err != nil || e.Seq != 3 || e.Kind != Hold {
		t.Errorf("%+v, %v", e, err)
	}
}

// FuzzParseEntry checks that what is read is written the same.
func FuzzParseEntry(f *testing.F) {
	f.Add([]byte(`{"v": 1, "seq": 3, "kind": "promote", "phase": "done", "running": {"digest": "sha256:1"}, "bad": ["x"], "hold": {"by": "a"}, "at": "2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"v": 2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ParseEntry(data)
		if err != nil {
			return
		}
		text, err := json.Marshal(e)
		if err != nil {
			return // a time that JSON has no form for
		}
		again, err := ParseEntry(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		second, err := json.Marshal(again)
		if err != nil || !reflect.DeepEqual(text, second) {
			t.Errorf("%s becomes %s (%v)", text, second, err)
		}
	})
}
