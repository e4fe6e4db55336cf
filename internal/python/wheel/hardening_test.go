package wheel_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/python/wheel"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

// TestMalformedArchives has an archive for each item of the list of archives in
// which two readers could see two different wheels, or that harm who reads them
// (uv's list; facts 8.1). Each is a proper wheel with one thing wrong.
func TestMalformedArchives(t *testing.T) {
	const filename = "demo_pkg-1.0-py3-none-any.whl"
	if _, err := install((wheeltest.Raw{Parts: good().Parts()}).Build(), filename); err != nil {
		t.Fatalf("the proper archive is refused: %v", err)
	}
	// one spoils the entry of a name.
	one := func(name string, spoil func(*wheeltest.Part)) wheeltest.Raw {
		a := wheeltest.Raw{Parts: good().Parts()}
		for i := range a.Parts {
			if a.Parts[i].Name == name {
				spoil(&a.Parts[i])
				return a
			}
		}
		t.Fatalf("no entry %q", name)
		return a
	}
	// more adds an entry before RECORD.
	more := func(p ...wheeltest.Part) wheeltest.Raw {
		return wheeltest.Raw{Parts: append(p, good().Parts()...)}
	}
	whole := func(spoil func(*wheeltest.Raw)) wheeltest.Raw {
		a := wheeltest.Raw{Parts: good().Parts()}
		spoil(&a)
		return a
	}
	const init = "demo_pkg/__init__.py"
	for _, c := range []struct {
		item string
		a    wheeltest.Raw
		want string
	}{
		{"empty name", more(wheeltest.Part{Name: ""}), "an entry has an empty name"},
		{"name is the root", more(wheeltest.Part{Name: "/"}), "an entry has an empty name"},
		{"NUL in a name", more(wheeltest.Part{Name: "demo_pkg/a\x00.py"}), `"demo_pkg/a\x00.py": the name holds a control character`},
		{"escape in a name", more(wheeltest.Part{Name: "demo_pkg/a\x1b[2J.py"}), "the name holds a control character"},
		{"right-to-left override in a name", more(wheeltest.Part{Name: "demo_pkg/a\u202eyp.exe"}), "the name holds a control character"},
		{"private-use character in a name", more(wheeltest.Part{Name: "demo_pkg/\ue000"}), "the name holds a control character"},
		{"name is not UTF-8", more(wheeltest.Part{Name: "demo_pkg/\xff.py"}), "the name is not UTF-8"},
		{"absolute path", more(wheeltest.Part{Name: "/etc/cron.d/x"}), `"/etc/cron.d/x": the path is absolute`},
		{"path that climbs", more(wheeltest.Part{Name: "demo_pkg/../../x"}), `"demo_pkg/../../x": the path leaves`},
		{"path with a dot", more(wheeltest.Part{Name: "demo_pkg/./x"}), "the path leaves"},
		{"path with an empty part", more(wheeltest.Part{Name: "demo_pkg//x"}), "the path leaves"},
		{"path with backslashes", more(wheeltest.Part{Name: `demo_pkg\x`}), "not a zip path"},
		{"path with a drive", more(wheeltest.Part{Name: "C:x"}), "not a zip path"},

		{"names differ", one(init, func(p *wheeltest.Part) { p.LocalName = "demo_pkg/__evil__.py" }), `"demo_pkg/__init__.py": the local header names "demo_pkg/__evil__.py"`},
		{"names differ in length", one(init, func(p *wheeltest.Part) { p.LocalName = "demo_pkg/x.py" }), `"demo_pkg/__init__.py": the local header names "demo_pkg/x.py"`},
		{"checksums differ", one(init, func(p *wheeltest.Part) { p.LocalCRC = 1 }), "differ in checksum or sizes"},
		{"sizes differ", one(init, func(p *wheeltest.Part) { p.LocalSize = 1 << 20 }), "differ in checksum or sizes"},
		{"methods differ", one(init, func(p *wheeltest.Part) { p.LocalMethod = wheeltest.Method(0) }), "differ in method or flags"},
		{"second name in an extra field", one(init, func(p *wheeltest.Part) { p.LocalExtra = unicodePath("demo_pkg/evil.py") }), `a second name, "demo_pkg/evil.py"`},
		{"second name in the directory", one(init, func(p *wheeltest.Part) { p.OuterExtra = unicodePath("demo_pkg/evil.py") }), `a second name, "demo_pkg/evil.py"`},
		{"entry only in the archive", more(wheeltest.Part{Name: "demo_pkg/hidden.py", NoCentral: true}), `an entry "demo_pkg/hidden.py" that the directory does not list`},
		{"last entry only in the archive", whole(func(a *wheeltest.Raw) {
			a.Parts = append(a.Parts, wheeltest.Part{Name: "demo_pkg/hidden.py", NoCentral: true})
		}), `before the directory: an entry "demo_pkg/hidden.py" that the directory does not list`},
		{"entry only in the directory", more(wheeltest.Part{Name: "demo_pkg/ghost.py", NoLocal: true, At: at(7)}), `"demo_pkg/ghost.py": the directory lists it and there is no local header`},
		{"two entries share a body", more(wheeltest.Part{Name: "demo_pkg/a.py"}, wheeltest.Part{Name: "demo_pkg/b.py", NoLocal: true, At: at(0)}), `entries "demo_pkg/a.py" and "demo_pkg/b.py" overlap`},
		{"twice with other contents", more(wheeltest.Part{Name: init, Content: "evil"}), `entry "demo_pkg/__init__.py" occurs twice`},
		{"twice with other modes", more(wheeltest.Part{Name: init, Content: "x = 1\n", Unix: 0o100755}), `entry "demo_pkg/__init__.py" occurs twice`},
		{"a file and a folder", more(wheeltest.Part{Name: "demo_pkg"}), `entry "demo_pkg" is a file, and "demo_pkg/`},
		{"a folder with content", more(wheeltest.Part{Name: "demo_pkg/d/", Content: "x"}), "a folder with content"},
		{"end counts more entries", whole(func(a *wheeltest.Raw) { a.Count = 40 }), "the directory's end counts 40 entries and the directory holds 14"},
		{"end counts fewer entries", whole(func(a *wheeltest.Raw) { a.Count = 3 }), "the directory's end counts 3 entries and the directory holds 14"},
		{"directory elsewhere", whole(func(a *wheeltest.Raw) { a.Shift = -4 }), "the directory is not where the archive's end says"},
		{"bytes before the first entry", one("demo_pkg-1.0.data/data/share/doc.txt", func(p *wheeltest.Part) { p.Before = "#!/bin/sh\n" }), "bytes that belong to no entry"},
		{"bytes between entries", one(init, func(p *wheeltest.Part) { p.Before = "PK\x01\x02 or whatever, long enough to be a header" }), "bytes that belong to no entry"},
		{"bytes before the directory", whole(func(a *wheeltest.Raw) { a.Hidden = "hidden" }), "before the directory: 6 bytes that belong to no entry"},
		{"ZIP64 extensible data", whole(func(a *wheeltest.Raw) { a.Zip64, a.Extensible = true, "secrets!" }), "ZIP64 extensible data"},
		{"ZIP64 counts another number", whole(func(a *wheeltest.Raw) { a.Zip64, a.Count = true, 3 }), "counts 3 entries"},
		{"an archive in the comment", whole(func(a *wheeltest.Raw) { a.Comment = "PK\x03\x04" }), "comment hides another archive"},
		{"bytes behind the end", whole(func(a *wheeltest.Raw) { a.Trailing = "evil" }), "4 bytes follow the archive's end"},
		{"missing data descriptor", one(init, func(p *wheeltest.Part) { p.Flags |= 8 }), `"demo_pkg/__init__.py": the data descriptor is missing`},
		{"wrong data descriptor", one(init, func(p *wheeltest.Part) { p.Descriptor, p.BadDescriptor = true, true }), "the data descriptor is missing or differs"},
		{"unexpected data descriptor", one(init, func(p *wheeltest.Part) { p.After = "PK\x07\x08aaaabbbbcccc" }), "an unexpected data descriptor"},
		{"wrong checksum", one(init, func(p *wheeltest.Part) { p.CRC = 0xdeadbeef }), `"demo_pkg/__init__.py": zip: checksum error`},
		{"unpacks to more than it says", one("demo_pkg/templates/a.html", func(p *wheeltest.Part) { p.Size = 3 }), "demo_pkg/templates/a.html"},
		{"unpacks to less than it says", one("demo_pkg/templates/a.html", func(p *wheeltest.Part) { p.Size = 3000 }), "demo_pkg/templates/a.html"},
		{"encrypted", one(init, func(p *wheeltest.Part) { p.Flags |= 1 }), `"demo_pkg/__init__.py": encrypted`},
		{"symbolic link", more(wheeltest.Part{Name: "demo_pkg/link", Content: "/etc", Unix: 0o120777}), `"demo_pkg/link": not a regular file`},
		{"device", more(wheeltest.Part{Name: "demo_pkg/null", Unix: 0o020666}), `"demo_pkg/null": not a regular file`},
		{"named pipe", more(wheeltest.Part{Name: "demo_pkg/pipe", Unix: 0o010666}), `"demo_pkg/pipe": not a regular file`},
		{"method bzip2", one(init, func(p *wheeltest.Part) { p.Method = wheeltest.Method(12) }), "compression method 12"},
		{"method zstd", one(init, func(p *wheeltest.Part) { p.Method = wheeltest.Method(93) }), "compression method 93"},
		{"bomb: more than deflate can", more(wheeltest.Part{Name: "demo_pkg/bomb", Content: "x", Size: 4 << 30 >> 1}), `entry "demo_pkg/bomb" unpacks to`},
		{"bomb: larger than any wheel", more(bombs()...), "unpacks to more than 17179869184 bytes"},
	} {
		t.Run(c.item, func(t *testing.T) {
			_, err := install(c.a.Build(), filename)
			if err == nil {
				t.Fatal("installed")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), filename) {
				t.Errorf("error %q, want one that names the wheel and holds %q", err, c.want)
			}
			// Whoever makes layers reads contents later, and verifies them then
			// (package image/layer has the tests); all else is refused at once.
			raw := c.a.Build()
			_, err = wheel.Promise(bytes.NewReader(raw), int64(len(raw)), filename, scheme())
			if later := c.item == "wrong checksum" || strings.HasPrefix(c.item, "unpacks to "); (err == nil) != later {
				t.Errorf("read with promises: %v", err)
			}
		})
	}
}

// TestUnusualArchives are wheels that look odd and are right.
func TestUnusualArchives(t *testing.T) {
	twice := good().Parts()
	twice = append(twice, wheeltest.Part{Name: "demo_pkg/__init__.py", Content: "x = 1\n", Unix: 0o100644})
	all := func(spoil func(*wheeltest.Part)) []wheeltest.Part {
		parts := good().Parts()
		for i := range parts {
			spoil(&parts[i])
		}
		return parts
	}
	for name, a := range map[string]wheeltest.Raw{
		"the same entry twice":         {Parts: twice},
		"data descriptors":             {Parts: all(func(p *wheeltest.Part) { p.Descriptor = true })},
		"stored":                       {Parts: all(func(p *wheeltest.Part) { p.Stored = true })},
		"other extra fields":           {Parts: all(func(p *wheeltest.Part) { p.LocalExtra, p.OuterExtra = "UT\x05\x00\x01abcd", "UT\x01\x00\x01" })},
		"the same name once more":      {Parts: all(func(p *wheeltest.Part) { p.LocalExtra = unicodePath(p.Name) })},
		"ZIP64 records":                {Parts: good().Parts(), Zip64: true},
		"a comment":                    {Parts: good().Parts(), Comment: "made by hand"},
		"zeros behind the end":         {Parts: good().Parts(), Trailing: "\x00\x00\x00"},
		"folders":                      {Parts: append([]wheeltest.Part{{Name: "demo_pkg/", Unix: 0o040755, Stored: true}}, good().Parts()...)},
		"modes without a file's type":  {Parts: all(func(p *wheeltest.Part) { p.Unix = 0o755 })},
		"set-user-id and sticky modes": {Parts: all(func(p *wheeltest.Part) { p.Unix = 0o107777 })},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := install(a.Build(), "demo_pkg-1.0-py3-none-any.whl")
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range got.Files {
				if f.Mode != 0o644 && f.Mode != 0o755 {
					t.Errorf("%s has mode %o", f.Path, f.Mode)
				}
				if name == "modes without a file's type" && f.Mode != 0o644 && !strings.HasPrefix(f.Path, "bin/") {
					t.Errorf("%s has mode %o; a type is missing, as pip sees it", f.Path, f.Mode)
				}
			}
		})
	}
}

func unicodePath(name string) string {
	n := 5 + len(name)
	return "\x75\x70" + string([]byte{byte(n), byte(n >> 8)}) + "\x01abcd" + name
}

func at(n uint32) *uint32 { return &n }

// bombs together claim more than any wheel may unpack to, each within what
// deflate can do.
func bombs() []wheeltest.Part {
	var out []wheeltest.Part
	body := strings.Repeat("random enough? ", 300_000)
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		out = append(out, wheeltest.Part{Name: "demo_pkg/" + n, Content: body, Stored: true, Size: 0xfffffff0, Method: wheeltest.Method(8)})
	}
	return out
}
