package index

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Variable names the environment variable that holds the USERNAME or PASSWORD
// for a host: FAIRLEAD_INDEX_<HOST>_PASSWORD, the host in capitals with _ for
// all but letters and digits. The name says where a credential may go.
func Variable(host, what string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, host)
	return "FAIRLEAD_INDEX_" + name + "_" + what
}

// hostname is a host without its port.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}

// uvCredentials reads UV_INDEX_<NAME>_USERNAME and _PASSWORD for an index that
// the environment itself names, bound to the index's host.
func uvCredentials(getenv func(string) string, name, raw string, into map[string][2]string) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return
	}
	key := strings.TrimSuffix(strings.TrimPrefix(Variable(name, ""), "FAIRLEAD_INDEX_"), "_")
	user, password := getenv("UV_INDEX_"+key+"_USERNAME"), getenv("UV_INDEX_"+key+"_PASSWORD")
	if user+password != "" {
		into[u.Host] = [2]string{user, password}
	}
}

// uvConfig is what a uv.toml of the user or the machine says about sources.
type uvConfig struct {
	index        string
	extra, links []string
	none         bool
}

// readUV reads the first uv.toml that is there: UV_CONFIG_FILE, the user's, the
// machine's. A file that is not understood is uv's to report.
func readUV(getenv func(string) string, home string, readFile func(string) ([]byte, error)) uvConfig {
	files := []string{getenv("UV_CONFIG_FILE")}
	if x := getenv("XDG_CONFIG_HOME"); x != "" {
		files = append(files, filepath.Join(x, "uv", "uv.toml"))
	} else if home != "" {
		files = append(files, filepath.Join(home, ".config", "uv", "uv.toml"))
	}
	files = append(files, "/etc/uv/uv.toml")
	for _, f := range files {
		if f == "" {
			continue
		}
		data, err := readFile(f)
		if err != nil {
			continue
		}
		var d struct {
			Index []struct {
				URL     string `toml:"url"`
				Default bool   `toml:"default"`
			} `toml:"index"`
			IndexURL string   `toml:"index-url"`
			Extra    []string `toml:"extra-index-url"`
			Links    []string `toml:"find-links"`
			None     bool     `toml:"no-index"`
		}
		if toml.Unmarshal(data, &d) != nil {
			return uvConfig{}
		}
		out := uvConfig{index: d.IndexURL, extra: d.Extra, links: d.Links, none: d.None}
		for _, i := range d.Index {
			if i.Default {
				out.index = i.URL
			} else {
				out.extra = append(out.extra, i.URL)
			}
		}
		return out
	}
	return uvConfig{}
}
