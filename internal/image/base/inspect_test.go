package base

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// files is a layer's content, in order; "a -> b" is a symbolic link, "a => b" a
// hard link, "a/" a folder, anything else a file with the content after "|".
type files []string

func (f files) layer(t testing.TB) v1.Layer {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, line := range f {
		name, content, _ := strings.Cut(line, "|")
		h := &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg, Size: int64(len(content))}
		if from, to, ok := strings.Cut(name, " -> "); ok {
			h.Name, h.Linkname, h.Typeflag = from, to, tar.TypeSymlink
		} else if from, to, ok := strings.Cut(name, " => "); ok {
			h.Name, h.Linkname, h.Typeflag = from, to, tar.TypeLink
		} else if strings.HasSuffix(name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if h.Typeflag != tar.TypeReg {
			h.Size = 0
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(tw, content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func testImage(t testing.TB, arch string, env []string, layers ...files) v1.Image {
	t.Helper()
	img := empty.Image
	for _, f := range layers {
		var err error
		if img, err = mutate.AppendLayers(img, f.layer(t)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Config.Env = "linux", arch, env
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

const (
	glibc = "usr/lib/x86_64-linux-gnu/libc.so.6|\x00GNU C Library (Debian GLIBC 2.36-9+deb12u9) stable release version 2.36.\n\x00"
	musl  = "lib/ld-musl-aarch64.so.1|musl libc (aarch64)\nVersion %s\x00\x001.2.5\x00"
)

func TestInspect(t *testing.T) {
	tests := []struct {
		name   string
		arch   string
		env    []string
		layers []files
		want   string // "INTERPRETER FULL LIBC"
		notes  int
	}{
		{"docker-library", "amd64", []string{"PYTHON_VERSION=3.12.4", "PATH=/usr/local/bin:/usr/bin"},
			[]files{{glibc}, {"usr/local/bin/python3.12|x", "usr/local/bin/python3 -> python3.12", "usr/local/bin/python -> python3"}},
			"/usr/local/bin/python3.12 3.12.4 glibc 2.36", 0},
		{"alpine", "arm64", []string{"PYTHON_VERSION=3.13.0"},
			[]files{{musl, "lib/libc.musl-aarch64.so.1 -> ld-musl-aarch64.so.1"}, {"usr/local/bin/python3.13|x"}},
			"/usr/local/bin/python3.13 3.13.0 musl 1.2", 0},
		{"debian by its database", "amd64", nil,
			[]files{{glibc, "usr/bin/python3.11|x", "usr/bin/python3 -> python3.11", "lib -> usr/lib",
				"var/lib/dpkg/status|Package: python3.11-minimal\nStatus: install ok installed\nVersion: 3.11.2-6+deb12u6\n\nPackage: other\nVersion: 1\n"}},
			"/usr/bin/python3.11 3.11.2 glibc 2.36", 0},
		{"distroless", "amd64", nil,
			[]files{{glibc, "usr/bin/python3.13|x", "usr/bin/python -> python3.13", "var/lib/dpkg/status.d/libpython3.13-minimal|Package: libpython3.13-minimal\nVersion: 3.13.5-2\n"}},
			"/usr/bin/python3.13 3.13.5 glibc 2.36", 0},
		{"PEP 739", "amd64", nil,
			[]files{{glibc, "usr/bin/python3.14|x", `usr/lib/python3.14/build-details.json|{"implementation":{"version":{"major":3,"minor":14,"micro":2}}}`}},
			"/usr/bin/python3.14 3.14.2 glibc 2.36", 0},
		{"unknown patch level", "amd64", []string{"PYTHON_VERSION=3.9.1"}, // of another Python
			[]files{{glibc, "usr/bin/python3.10|x"}}, "/usr/bin/python3.10 3.10.0 glibc 2.36", 1},
		{"the newest of several", "amd64", []string{"PYTHON_VERSION=3.12.1"},
			[]files{{glibc, "usr/bin/python3.9|x", "usr/bin/python3.12|x", "usr/bin/python3.12-config|x"}}, "/usr/bin/python3.12 3.12.1 glibc 2.36", 0},
		{"free-threaded", "amd64", []string{"PYTHON_VERSION=3.13.1"},
			[]files{{glibc, "usr/bin/python3.13t|x"}}, "/usr/bin/python3.13t 3.13.1 glibc 2.36 t", 0},
		{"removed by an upper layer", "amd64", []string{"PYTHON_VERSION=3.11.1"},
			[]files{{glibc, "usr/bin/python3.12|x", "usr/bin/python3.11|x"}, {"usr/bin/.wh.python3.12"}}, "/usr/bin/python3.11 3.11.1 glibc 2.36", 0},
		{"opaque folder", "amd64", []string{"PYTHON_VERSION=3.10.1"},
			[]files{{glibc, "opt/py/bin/python3.12|x"}, {"opt/py/bin/.wh..wh..opq", "opt/py/bin/python3.10|x", "usr/bin/python3 -> /opt/py/bin/python3.10"}},
			"/opt/py/bin/python3.10 3.10.1 glibc 2.36", 0},
		{"a link over folders", "amd64", []string{"PYTHON_VERSION=3.11.1", "PATH=/bin"},
			[]files{{glibc, "usr/bin/python3.11|x", "bin -> usr/bin"}}, "/usr/bin/python3.11 3.11.1 glibc 2.36", 0},
		{"hard link", "amd64", []string{"PYTHON_VERSION=3.11.1"},
			[]files{{glibc, "usr/bin/python3.11|x", "usr/bin/python3 => usr/bin/python3.11"}}, "/usr/bin/python3.11 3.11.1 glibc 2.36", 0},
		{"links climbing out stay inside", "amd64", []string{"PYTHON_VERSION=3.11.1"},
			[]files{{glibc, "usr/bin/python3 -> ../../../../opt/python3.11", "opt/python3.11|x"}}, "/opt/python3.11 3.11.1 glibc 2.36", 0},
		{"glibc beside musl", "amd64", []string{"PYTHON_VERSION=3.11.1"},
			[]files{{glibc, "opt/tool/ld-musl-x86_64.so.1|musl libc\x001.2.3\x00", "usr/bin/python3.11|x"}}, "/usr/bin/python3.11 3.11.1 glibc 2.36", 0},
		{"apk's word for musl", "arm64", []string{"PYTHON_VERSION=3.11.1"},
			[]files{{"lib/apk/db/installed|P:musl\nV:1.2.4-r2\n", "usr/bin/python3.11|x"}}, "/usr/bin/python3.11 3.11.1 musl 1.2", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Inspect(testImage(t, tt.arch, tt.env, tt.layers...))
			if err != nil {
				t.Fatal(err)
			}
			version := strings.SplitN(f.Target.String(), f.Target.Libc, 2)
			got := f.Interpreter + " " + f.Target.FullVersion + " " + f.Target.Libc + version[1]
			if f.Target.FreeThreaded {
				got += " t"
			}
			if got != tt.want || f.Target.Arch != tt.arch || len(f.Notes) != tt.notes {
				t.Errorf("facts = %q, %s, notes %q; want %q", got, f.Target.Arch, f.Notes, tt.want)
			}
		})
	}
}

// The families of Python bases, as their images look: what runs nothing has to
// find out.
func TestFamilies(t *testing.T) {
	for _, tt := range []struct {
		name, arch string
		env        []string
		layers     []files
		want       string
	}{
		{"docker-library slim", "amd64", []string{"PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "PYTHON_VERSION=3.13.7"},
			[]files{{"usr/lib/x86_64-linux-gnu/libc.so.6|GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.", "lib -> usr/lib", "bin -> usr/bin",
				"usr/lib/os-release|PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nNAME=\"Debian GNU/Linux\"\n", "etc/os-release -> ../usr/lib/os-release", "var/lib/dpkg/status|Package: libc6\n"},
				{"usr/local/bin/python3.13|x", "usr/local/bin/python3 -> python3.13", "usr/local/bin/python -> python3"}},
			"/usr/local/bin/python3.13 3.13.7 glibc 2.41, Debian GNU/Linux 13 (trixie)"},
		{"docker-library alpine", "arm64", []string{"PATH=/usr/local/bin:/usr/bin", "PYTHON_VERSION=3.12.11"},
			[]files{{"lib/ld-musl-aarch64.so.1|musl libc (aarch64)\nVersion %s\x00\x001.2.5\x00", "lib/libc.musl-aarch64.so.1 -> ld-musl-aarch64.so.1", "etc/os-release|NAME=\"Alpine Linux\"\nPRETTY_NAME=\"Alpine Linux v3.22\"\n"},
				{"usr/local/bin/python3.12|x", "usr/local/bin/python3 -> python3.12"}},
			"/usr/local/bin/python3.12 3.12.11 musl 1.2, Alpine Linux v3.22"},
		{"alpine's own python", "amd64", nil,
			[]files{{"lib/ld-musl-x86_64.so.1|musl libc (x86_64)\x001.2.5\x00", "lib/apk/db/installed|P:musl\nV:1.2.5-r9\n\nP:python3\nV:3.12.11-r0\n", "usr/bin/python3.12|x", "usr/bin/python3 -> python3.12"}},
			"/usr/bin/python3.12 3.12.11 musl 1.2, "},
		{"distroless", "arm64", nil,
			[]files{{"lib/aarch64-linux-gnu/libc.so.6|GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.", "etc/os-release|PRETTY_NAME=\"Distroless\"\n",
				"var/lib/dpkg/status.d/libc6|Package: libc6\nVersion: 2.36-9+deb12u10\n"},
				{"usr/bin/python3.11|x", "usr/bin/python -> /usr/bin/python3.11", "usr/bin/python3 -> /usr/bin/python3.11", "var/lib/dpkg/status.d/python3.11-minimal|Package: python3.11-minimal\nVersion: 3.11.2-6+deb12u6\n"}},
			"/usr/bin/python3.11 3.11.2 glibc 2.36, Distroless"},
		{"wolfi", "amd64", []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
			[]files{{"usr/lib/libc.so.6|GNU C Library (GNU libc) stable release version 2.42.", "lib -> usr/lib", "lib64 -> usr/lib", "etc/os-release|ID=wolfi\nPRETTY_NAME=\"Wolfi\"\n",
				"usr/lib/apk/db/installed|P:glibc\nV:2.42-r1\n\nP:python-3.13-base\nV:3.13.9-r2\n", "usr/bin/python3.13|x", "usr/bin/python3 -> python3.13", "usr/bin/python -> python3.13"}},
			"/usr/bin/python3.13 3.13.9 glibc 2.42, Wolfi"},
		{"wolfi before its merge of /usr", "arm64", nil,
			[]files{{"lib/libc.so.6|GNU C Library (GNU libc) stable release version 2.38.", "etc/os-release|PRETTY_NAME='Chainguard'\n", "lib/apk/db/installed|P:python-3.12-base\nV:3.12.1-r0\n", "usr/bin/python3.12|x", "usr/bin/python -> python3.12"}},
			"/usr/bin/python3.12 3.12.1 glibc 2.38, Chainguard"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Inspect(testImage(t, tt.arch, tt.env, tt.layers...))
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%s %s %s %d.%d, %s", f.Interpreter, f.Target.FullVersion, f.Target.Libc, f.Target.LibcVersion[0], f.Target.LibcVersion[1], f.System)
			if got != tt.want || f.Target.Arch != tt.arch || len(f.Notes) > 0 {
				t.Errorf("%s, notes %q; want %s", got, f.Notes, tt.want)
			}
		})
	}
}

func TestInspectRefuses(t *testing.T) {
	tests := []struct {
		name, arch string
		layer      files
		want       string
	}{
		{"no python", "amd64", files{glibc}, "no python3.Y"},
		{"too old", "amd64", files{glibc, "usr/bin/python3.8|x"}, "too old"},
		{"no C library", "amd64", files{"usr/bin/python3.11|x"}, "C library"},
		{"foreign architecture", "s390x", files{glibc, "usr/bin/python3.11|x"}, `"s390x"`},
		{"endless links", "amd64", files{glibc, "usr/bin/python3 -> python", "usr/bin/python -> python3"}, "no python3.Y"},
		{"version in a lie", "amd64", files{"usr/lib/libc.so.6|GNU C Library (x) stable release version 999999.1.", "usr/bin/python3.11|x"}, "C library"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Inspect(testImage(t, tt.arch, nil, tt.layer)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v; want %q", err, tt.want)
			}
		})
	}
}

func FuzzInspect(f *testing.F) {
	f.Add("usr/bin/python3.11|x\nusr/bin/python3 -> python3.11", "usr/bin/.wh.python3.11")
	f.Add("usr/bin/.wh..wh..opq\na -> b\nb -> a", "usr/bin/python3 -> /a")
	f.Add("../../usr/bin/python3.12|x\n/|y", ".wh.\n.wh..|")
	f.Fuzz(func(t *testing.T, lower, upper string) {
		if len(lower)+len(upper) > 2000 || strings.ContainsRune(lower+upper, 0) {
			t.Skip()
		}
		clean := func(s string) files {
			out := files{glibc}
			for _, l := range strings.Split(s, "\n") {
				if n, _, _ := strings.Cut(l, "|"); n != "" {
					out = append(out, strings.ToValidUTF8(l, "?"))
				}
			}
			return out
		}
		img := testImage(t, "amd64", nil, clean(lower), clean(upper))
		facts, err := Inspect(img)
		if err == nil && !strings.HasPrefix(facts.Interpreter, "/") {
			t.Errorf("interpreter %q", facts.Interpreter)
		}
	})
}
