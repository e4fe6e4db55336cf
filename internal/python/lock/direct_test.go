package lock

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestDirectURLs(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for line, want := range map[string]string{
		"demo @ https://h.example/a/demo-1.0%2Bl-py3-none-any.whl --hash=sha256:" + sum:                   "",
		"demo[x] @ https://h.example/demo-1.0-py3-none-any.whl#sha256=" + sum + " ; python_version>'3'":   "",
		"demo @ https://h.example/demo-1.0-py3-none-any.whl":                                              "no sha256 among its hashes",
		"demo @ https://h.example/demo-1.0.tar.gz --hash=sha256:" + sum:                                   "not a wheel",
		"demo @ git+https://h.example/demo@v1 --hash=sha256:" + sum:                                       "not the address of a file on the web",
		"demo @ file:///tmp/demo-1.0-py3-none-any.whl --hash=sha256:" + sum:                               "not the address of a file on the web",
		"https://h.example/demo-1.0-py3-none-any.whl --hash=sha256:" + sum:                                "a URL without a name",
		"demo @ https://h.example/demo-1.0-py3-none-any.whl --hash=sha512:" + strings.Repeat("ab", 64):    "no sha256 among its hashes",
		"demo @ https://h.example/demo-1.0-py3-none-any.whl#sha256=short":                                 "no sha256 among its hashes",
		"demo @ https://h.example/demo-1.0-py3-none-any.whl#egg=demo&sha256=" + strings.ToUpper(sum) + "": "",
	} {
		l, err := Read(fstest.MapFS{"requirements.txt": {Data: []byte(line + "\n")}}, "requirements.txt", func(string) string { return "" })
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s\nread as %+v, %v; want %q", line, l.Packages, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s\n%v", line, err)
			continue
		}
		p := l.Packages[0]
		if p.Name != "demo" || p.Source.Kind != FromURL || len(p.Files) != 1 || strings.Contains(p.Files[0].URL, "#") || !strings.HasSuffix(p.Files[0].Name, "-py3-none-any.whl") ||
			len(p.SHA256()) != 1 || p.SHA256()[0] != sum || p.Unverifiable() != "" {
			t.Errorf("%s\nread as %+v", line, p)
		}
	}
}
