package index

import (
	"bufio"
	"bytes"
	"path/filepath"
	"strings"

	"gopkg.in/ini.v1"
)

// FromEnvironment reads what the user configured for pip and uv. Of each setting
// the first that is set counts: uv's variables, pip's variables, pip's files
// (PIP_CONFIG_FILE, the user's, the machine's), then uv's (the user's, the
// machine's). Nothing of the project counts here.
//
// Credentials come from the index URL itself, from variables named after the
// host (Variable), from uv's variables for an index that the user's own
// environment names, or from netrc; each is bound to its host. uv's variables
// for a name that only the project gives are not used: the project could bind
// the name to any host. readFile returns an error for a file that is not there.
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
	uv := readUV(getenv, home, readFile)
	pick := func(key, fallback string, vars ...string) string {
		for _, v := range vars {
			if s := strings.TrimSpace(getenv(v)); s != "" {
				return s
			}
		}
		if s := pip(key); s != "" {
			return s
		}
		return fallback
	}
	c := Config{
		IndexURL:       pick("index-url", uv.index, "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"),
		ExtraIndexURLs: strings.Fields(pick("extra-index-url", strings.Join(uv.extra, " "), "UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL")),
		FindLinks:      strings.Fields(strings.ReplaceAll(pick("find-links", strings.Join(uv.links, " "), "UV_FIND_LINKS", "PIP_FIND_LINKS"), ",", " ")),
		NoIndex:        uv.none,
	}
	switch strings.ToLower(pick("no-index", "", "UV_NO_INDEX", "PIP_NO_INDEX")) {
	case "1", "true", "yes", "on":
		c.NoIndex = true
	}
	// uv writes "name=url"; the name stands for the host in its own variables.
	named := map[string][2]string{}
	strip := func(u string) string {
		name, rest, ok := strings.Cut(u, "=")
		if !ok || strings.ContainsAny(name, ":/") {
			return u
		}
		uvCredentials(getenv, name, rest, named)
		return rest
	}
	c.IndexURL = strip(c.IndexURL)
	for i, u := range c.ExtraIndexURLs {
		c.ExtraIndexURLs[i] = strip(u)
	}
	netrc := getenv("NETRC")
	if netrc == "" && home != "" {
		netrc = filepath.Join(home, ".netrc")
	}
	creds := map[string][2]string{}
	if data, err := readFile(netrc); err == nil {
		creds = parseNetrc(data)
	}
	c.Credentials = func(host string) (string, string, bool) {
		if user, password := getenv(Variable(host, "USERNAME")), getenv(Variable(host, "PASSWORD")); password != "" {
			return user, password, true
		}
		if m, ok := named[host]; ok {
			return m[0], m[1], true
		}
		m, ok := creds[hostname(host)]
		return m[0], m[1], ok
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
