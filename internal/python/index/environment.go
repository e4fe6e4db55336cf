package index

import (
	"bufio"
	"bytes"
	"path/filepath"
	"strings"

	"gopkg.in/ini.v1"
)

// FromEnvironment reads what the user configured for pip and uv. Of each setting
// the first that is set counts: uv's variables, pip's variables, then pip's
// files (PIP_CONFIG_FILE, the user's, the machine's). Credentials come from the
// index URL itself or from netrc, bound to their host. readFile returns an error
// for a file that is not there.
func FromEnvironment(getenv func(string) string, home string, readFile func(string) ([]byte, error)) Config {
	files := []string{getenv("PIP_CONFIG_FILE")}
	if x := getenv("XDG_CONFIG_HOME"); x != "" {
		files = append(files, filepath.Join(x, "pip", "pip.conf"))
	}
	if home != "" {
		files = append(files, filepath.Join(home, ".config", "pip", "pip.conf"), filepath.Join(home, ".pip", "pip.conf"))
	}
	files = append(files, "/etc/pip.conf")
	pip := func(key string) string {
		for _, f := range files {
			if f == "" {
				continue
			}
			data, err := readFile(f)
			if err != nil {
				continue
			}
			c, err := ini.LoadSources(ini.LoadOptions{AllowPythonMultilineValues: true, IgnoreInlineComment: true, SkipUnrecognizableLines: true}, data)
			if err != nil {
				continue
			}
			for _, sec := range []string{"install", "global"} {
				if v := strings.TrimSpace(c.Section(sec).Key(key).String()); v != "" {
					return v
				}
			}
		}
		return ""
	}
	pick := func(key string, vars ...string) string {
		for _, v := range vars {
			if s := strings.TrimSpace(getenv(v)); s != "" {
				return s
			}
		}
		return pip(key)
	}
	c := Config{
		IndexURL:       pick("index-url", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"),
		ExtraIndexURLs: strings.Fields(pick("extra-index-url", "UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL")),
		FindLinks:      strings.Fields(strings.ReplaceAll(pick("find-links", "UV_FIND_LINKS", "PIP_FIND_LINKS"), ",", " ")),
	}
	switch strings.ToLower(pick("no-index", "UV_NO_INDEX", "PIP_NO_INDEX")) {
	case "1", "true", "yes", "on":
		c.NoIndex = true
	}
	// uv names an index "name=url"; the name is not used here.
	for i, u := range c.ExtraIndexURLs {
		if name, rest, ok := strings.Cut(u, "="); ok && !strings.ContainsAny(name, ":/") {
			c.ExtraIndexURLs[i] = rest
		}
	}
	netrc := getenv("NETRC")
	if netrc == "" && home != "" {
		netrc = filepath.Join(home, ".netrc")
	}
	if data, err := readFile(netrc); err == nil {
		creds := parseNetrc(data)
		c.Credentials = func(host string) (string, string, bool) {
			m, ok := creds[host]
			return m[0], m[1], ok
		}
	}
	return c
}

// parseNetrc reads machine, login and password; macros and the default entry,
// which would go to any host, are left out.
func parseNetrc(data []byte) map[string][2]string {
	out := map[string][2]string{}
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Split(bufio.ScanWords)
	host, cur, key := "", [2]string{}, ""
	for sc.Scan() {
		w := sc.Text()
		switch key {
		case "machine":
			host, cur, key = w, [2]string{}, ""
			continue
		case "login":
			cur[0], key = w, ""
		case "password":
			cur[1], key = w, ""
		case "account":
			key = ""
		default:
			if w == "default" {
				host = ""
			}
			key = w
			continue
		}
		if host != "" {
			out[host] = cur
		}
	}
	return out
}
