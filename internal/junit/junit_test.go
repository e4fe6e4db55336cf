package junit

import (
	"bytes"
	"strings"
	"testing"
)

const pytest = `<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="1" skipped="1" tests="3" time="0.05" timestamp="2026-11-21" hostname="h">` +
	`<testcase classname="tests.test_x" name="test_a" time="0.01" /><testcase classname="tests.test_x" name="test_b&lt;1&gt;" file="tests/test_x.py" line="7" time="0.02"><failure message="assert 1 == 2">def test_b():
&gt;   assert 1 == 2</failure></testcase><testcase classname="" name="test_c" time="0.02"><skipped type="pytest.skip" message="why">x</skipped></testcase></testsuite></testsuites>`

func TestParseAndMerge(t *testing.T) {
	r, err := Parse([]byte(pytest))
	if err != nil {
		t.Fatal(err)
	}
	if r.String() != "1 passed, 1 failed, 1 skipped" || len(r.Failed) != 1 || r.Failed[0].Name != "tests.test_x::test_b<1>" || r.Failed[0].File != "tests/test_x.py" || r.Failed[0].Line != 7 {
		t.Errorf("%s, %+v", r, r.Failed)
	}
	one, err := Parse([]byte(`<testsuite name="a &quot;b&quot;" xmlns:x="y"><testcase name="only"><error message="broke"/></testcase></testsuite>`))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Merge(r, one).Write(&b); err != nil {
		t.Fatal(err)
	}
	again, err := Parse(b.Bytes())
	if err != nil || again.String() != "1 passed, 2 failed, 1 skipped" || again.Failed[1].Message != "broke" || !strings.Contains(b.String(), `a &#34;b&#34;`) {
		t.Errorf("%v: %s\n%s", err, again, b.String())
	}
}

func TestParseErrors(t *testing.T) {
	for _, bad := range []string{"", "x", "<a/>", "<testsuites>", "<testsuites><testsuite><testcase></testsuite></testsuites>", strings.Repeat("x", MaxSize+1)} {
		if _, err := Parse([]byte(bad)); err == nil || !strings.Contains(err.Error(), "test report") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(pytest))
	f.Add([]byte(`<testsuite><testcase name="a"/></testsuite>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse(data)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := r.Write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(b.Bytes())
		if err != nil || again.Tests != r.Tests || again.Failures != r.Failures {
			t.Errorf("written and read again: %v\n%q\n%q", err, data, b.Bytes())
		}
	})
}
