package wheel

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"sort"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// Scheme is where things go: the frozen layout of a virtual environment.
type Scheme struct {
	Prefix string // absolute, "/app/.venv"
	Python [2]int
	// Interpreter is what scripts begin with; "" means Prefix/bin/python.
	Interpreter string
	// Origin is set when the requirement named a URL and not an index's project.
	Origin *Origin
}

// Site is the site-packages folder relative to the prefix.
func (s Scheme) Site() string {
	return fmt.Sprintf("lib/python%d.%d/site-packages", s.Python[0], s.Python[1])
}

// File is one file of an installation.
type File struct {
	Path   string // slash-separated, relative to the prefix
	Mode   fs.FileMode
	Size   int64
	SHA256 [32]byte
	Open   func() (io.ReadCloser, error)
	// Raw is where the file's bytes stand in the archive, nil for those that
	// installing changes or makes.
	Raw *Raw
}

// Raw is a file as it stands in the archive: a whole deflate stream, or the
// bytes themselves. The sizes and the checksum are the directory's promises.
type Raw struct {
	Archive io.ReaderAt
	Offset  int64
	Size    int64 // as stored, in bytes
	CRC32   uint32
	Stored  bool   // not compressed
	Name    string // for messages: the wheel, and the path in it
}

// Installed is what a wheel installs.
type Installed struct {
	Filename       string
	Name           string // PEP 503 form
	Version        string
	Files          []File // sorted by path
	Requires       []string
	RequiresPython string
	EntryPoints    []EntryPoint
	Metadata       []byte
	Warnings       []string
}

// installer builds an Installed from an archive.
type installer struct {
	a       *archive
	name    Name
	s       Scheme
	project string // the name as METADATA spells it
	info    string // "x-1.0.dist-info"
	data    string // "x-1.0.data/"
	out     *Installed
	scripts map[string]bool // names that entry points make
	lazy    bool            // leave what RECORD promises to be verified later
	at      map[string]string
	longer  map[string][]byte // RECORD's digests other than SHA-256
}

// Install reads a wheel and says what it installs under a scheme. It reads every
// byte: checksums, sizes and RECORD's hashes are verified, and a wheel in which
// any differs is refused, as is every archive on uv's list of malformed ones.
// The caller has verified the file's own hash before.
func Install(r io.ReaderAt, size int64, filename string, s Scheme) (*Installed, error) {
	return install(r, size, filename, s, false)
}

// Promise is Install for a caller that reads every file once, later, and
// verifies it then: files that RECORD has a digest of are not read, and their
// SHA256 is RECORD's promise. Whoever takes their bytes from Raw must hold it,
// and the sizes and checksums; package image/layer does.
func Promise(r io.ReaderAt, size int64, filename string, s Scheme) (*Installed, error) {
	return install(r, size, filename, s, true)
}

func install(r io.ReaderAt, size int64, filename string, s Scheme, lazy bool) (*Installed, error) {
	n, err := ParseName(filename)
	if err != nil {
		return nil, err
	}
	if s.Interpreter == "" {
		s.Interpreter = s.Prefix + "/bin/python"
	}
	if len(s.Interpreter) > 125 || strings.ContainsAny(s.Interpreter, " \t") {
		return nil, fmt.Errorf("installing %q: the interpreter's path %q does not fit a script's first line", filename, s.Interpreter)
	}
	a, err := openArchive(r, size, filename)
	if err != nil {
		return nil, err
	}
	in := &installer{a: a, name: n, s: s, scripts: map[string]bool{}, at: map[string]string{}, longer: map[string][]byte{}, lazy: lazy}
	if in.info, err = a.distInfo(n); err != nil {
		return nil, err
	}
	in.data = strings.TrimSuffix(in.info, ".dist-info") + ".data/"
	in.out = &Installed{Filename: filename, Name: n.NormalizedDist(), Version: n.Version}
	if err := in.metadata(); err != nil {
		return nil, err
	}
	if err := in.files(); err != nil {
		return nil, err
	}
	if err := in.wrappers(); err != nil {
		return nil, err
	}
	if err := in.oneKind(); err != nil {
		return nil, err
	}
	in.generate(in.info+"/INSTALLER", 0o644, []byte("fairlead\n"))
	if s.Origin != nil {
		text, err := s.Origin.directURL()
		if err != nil {
			return nil, in.errf("%w", err)
		}
		in.generate(in.info+"/direct_url.json", 0o644, text)
	}
	in.record()
	sort.Slice(in.out.Files, func(i, j int) bool { return in.out.Files[i].Path < in.out.Files[j].Path })
	return in.out, nil
}

func (in *installer) errf(format string, args ...any) error {
	return fmt.Errorf("installing wheel %q: "+format, append([]any{in.a.name}, args...)...)
}

func (in *installer) metadata() error {
	w, ok, err := in.a.small(in.info + "/WHEEL")
	if err != nil || !ok {
		return firstError(err, in.errf("no %s/WHEEL", in.info))
	}
	v := first(headers(w), "Wheel-Version")
	major, minor, _ := strings.Cut(v, ".")
	if major != "1" {
		return in.errf("wheel format version %q is not 1.x", v)
	}
	if minor != "0" {
		in.out.Warnings = append(in.out.Warnings, fmt.Sprintf("%s has wheel format version %s; read as 1.0", in.a.name, v))
	}
	m, ok, err := in.a.small(in.info + "/METADATA")
	if err != nil || !ok {
		return firstError(err, in.errf("no %s/METADATA", in.info))
	}
	h := headers(m)
	in.project = first(h, "Name")
	if requirement.NormalizeName(in.project) != in.out.Name {
		return in.errf("METADATA names %q", in.project)
	}
	if !sameVersion(first(h, "Version"), in.name.Version) {
		return in.errf("METADATA has version %q", first(h, "Version"))
	}
	in.out.Metadata, in.out.Requires, in.out.RequiresPython = m, h["requires-dist"], first(h, "Requires-Python")
	ep, ok, err := in.a.small(in.info + "/entry_points.txt")
	if err != nil {
		return err
	}
	if ok {
		if in.out.EntryPoints, err = entryPoints(in.a.name, ep); err != nil {
			return err
		}
		in.out.EntryPoints = pipItself(in.out.EntryPoints, in.s.Python)
		for _, e := range in.out.EntryPoints {
			in.scripts[e.Name] = true
		}
	}
	return nil
}

func firstError(errs ...error) error {
	for _, e := range errs {
		if e != nil {
			return e
		}
	}
	return nil
}

// skipped are files that installers do not copy: signatures of RECORD, and byte
// code, which would run without ever being read by anybody.
func (in *installer) skipped(name string) bool {
	switch name {
	case in.info + "/RECORD", in.info + "/RECORD.jws", in.info + "/RECORD.p7s", in.info + "/INSTALLER", in.info + "/REQUESTED", in.info + "/direct_url.json":
		return true
	}
	return strings.Contains("/"+name, "/__pycache__/")
}

func (in *installer) files() error {
	rec, err := in.readRecord()
	if err != nil {
		return err
	}
	for _, e := range in.a.entries {
		if in.skipped(e.Name) {
			continue
		}
		if err := in.file(e, rec); err != nil {
			return err
		}
	}
	return nil
}

var pythonShebang = regexp.MustCompile(`^#!pythonw?[^\n]*\n?`)

// file places one file of the archive.
func (in *installer) file(e entry, rec map[string][32]byte) error {
	dest, script, err := in.place(e.Name)
	if err != nil || dest == "" {
		return err
	}
	mode := fs.FileMode(0o644)
	unix := e.ExternalAttrs >> 16
	if script || e.CreatorVersion>>8 == 3 && unix&0o111 != 0 && unix&0xf000 == 0x8000 {
		mode = 0o755
	}
	f := File{Path: dest, Mode: mode, Size: int64(e.UncompressedSize64), Open: e.Open}
	if f.Raw, err = in.a.raw(e); err != nil {
		return err
	}
	if err := in.checkLonger(e); err != nil {
		return err
	}
	if script && e.UncompressedSize64 <= maxMeta {
		data, err := in.a.content(e)
		if err != nil {
			return err
		}
		if err := in.check(e.Name, sha256.Sum256(data), rec); err != nil {
			return err
		}
		if m := pythonShebang.Find(data); m != nil {
			return in.add(bytesFile(dest, mode, append([]byte("#!"+in.s.Interpreter+"\n"), data[len(m):]...)), e.Name)
		}
		return in.add(bytesFile(dest, mode, data), e.Name)
	}
	if want, promised := rec[e.Name]; promised && in.lazy {
		f.SHA256 = want
		return in.add(f, e.Name)
	}
	if f.SHA256, err = in.a.sum(e); err != nil {
		return err
	}
	if err := in.check(e.Name, f.SHA256, rec); err != nil {
		return err
	}
	return in.add(f, e.Name)
}

// place maps an archive path to one relative to the prefix (PyPA, binary
// distribution format, "The .data directory").
func (in *installer) place(name string) (dest string, script bool, err error) {
	rest, ok := strings.CutPrefix(name, in.data)
	if !ok {
		return in.s.Site() + "/" + name, false, nil
	}
	key, file, ok := strings.Cut(rest, "/")
	if !ok {
		return "", false, in.errf("%q is not below a scheme key", name)
	}
	switch key {
	case "purelib", "platlib":
		return in.s.Site() + "/" + file, false, nil
	case "headers":
		return fmt.Sprintf("include/site/python%d.%d/%s/%s", in.s.Python[0], in.s.Python[1], in.project, file), false, nil
	case "data":
		if bin, ok := strings.CutPrefix(file, "bin/"); ok && reserved(bin) {
			return "", false, in.errf("%q would replace the interpreter", name)
		}
		return file, false, nil
	case "scripts":
		if strings.Contains(file, "/") {
			return "", false, in.errf("%q: scripts have no folders", name)
		}
		stem := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(file, ".exe"), "-script.py"), ".pya")
		if in.scripts[stem] {
			return "", false, nil // the entry point's wrapper takes its place
		}
		if reserved(file) {
			return "", false, in.errf("%q would replace the interpreter", name)
		}
		return "bin/" + file, true, nil
	}
	return "", false, in.errf("%q: unknown scheme key %q", name, key)
}

var reservedName = regexp.MustCompile(`^(python|pythonw|python3|python3\.\d+t?|pythonw3\.\d+t?|pypy.*|graalpy|pyvenv\.cfg)(\.py)?$`)

// reserved says whether a command name belongs to the interpreter.
func reserved(name string) bool { return reservedName.MatchString(strings.ToLower(name)) }

// add takes a file in, once per path.
func (in *installer) add(f File, from string) error {
	if f.Path == "pyvenv.cfg" || !fs.ValidPath(f.Path) || path.Clean(f.Path) != f.Path {
		return in.errf("%q may not be installed as %q", from, f.Path)
	}
	if other, dup := in.at[f.Path]; dup {
		return in.errf("%q and %q both install %q", other, from, f.Path)
	}
	in.at[f.Path] = from
	in.out.Files = append(in.out.Files, f)
	return nil
}

// oneKind refuses a path that is a file and a folder, and warns of names that
// differ in case alone: they are one file on other systems, and a sign of harm.
func (in *installer) oneKind() error {
	folded := map[string]string{}
	for _, f := range in.out.Files {
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			if from, file := in.at[dir]; file {
				return in.errf("%q is a file, and %q lies below it", from, in.at[f.Path])
			}
		}
		low := strings.ToLower(f.Path)
		if other, ok := folded[low]; ok {
			a, b := in.at[other], in.at[f.Path]
			in.out.Warnings = append(in.out.Warnings, fmt.Sprintf("%s: %q and %q differ in case alone", in.a.name, min(a, b), max(a, b)))
		}
		folded[low] = f.Path
	}
	return nil
}

func bytesFile(path string, mode fs.FileMode, data []byte) File {
	return File{Path: path, Mode: mode, Size: int64(len(data)), SHA256: sha256.Sum256(data),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

// generate adds a file of our own below site-packages.
func (in *installer) generate(name string, mode fs.FileMode, data []byte) {
	in.out.Files = append(in.out.Files, bytesFile(in.s.Site()+"/"+name, mode, data))
}

// wrapper is pip's current text for a console script.
const wrapper = `#!%s
import sys
from %s import %s
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit(%s())
`

func (in *installer) wrappers() error {
	done := map[string]bool{}
	for _, e := range in.out.EntryPoints {
		if reserved(e.Name) {
			return in.errf("entry point %q would replace the interpreter", e.Name)
		}
		if done[e.Name] {
			continue // console and gui of one name: the first wins, as with pip
		}
		done[e.Name] = true
		object, _, _ := strings.Cut(e.Attr, ".")
		text := fmt.Sprintf(wrapper, in.s.Interpreter, e.Module, object, e.Attr)
		if err := in.add(bytesFile("bin/"+e.Name, 0o755, []byte(text)), "entry point "+e.Name); err != nil {
			return err
		}
	}
	return nil
}
