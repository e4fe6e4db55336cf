// Package index finds and fetches wheels: the simple repository API (PEP 503,
// 629, 691, 700; HTML and JSON) and find-links folders.
package index

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// File is one file that an index or folder offers.
type File struct {
	Name           string // file name
	URL            string // absolute; a path for files of a local folder
	Hashes         map[string]string
	RequiresPython string
	Yanked         bool
	YankedReason   string
	Size           int64 // 0 where the index does not say
}

// Config says where packages come from. URLs may carry no credentials of their
// own in messages: they are redacted everywhere.
type Config struct {
	IndexURL       string
	ExtraIndexURLs []string
	FindLinks      []string // local folders
	NoIndex        bool
	HTTP           *http.Client // nil: a client with sensible limits
	// Credentials gives the user and password for a host, and only for it.
	Credentials func(host string) (user, password string, ok bool)
	// Sleep waits between tries; nil sleeps for real.
	Sleep func(context.Context, time.Duration) error
	// Tries bounds how often a request is sent; 0 means 3.
	Tries int
	// Warnf reports what a person should know and a build can live with.
	Warnf func(format string, args ...any)
}

// Client answers for all configured sources.
type Client struct{ c Config }

// ErrNoProject says that no source knows a project.
var ErrNoProject = errors.New("no source has the project")

// New checks the configuration and fills in its defaults.
func New(c Config) (*Client, error) {
	for _, u := range append(slices.Clone(c.ExtraIndexURLs), c.IndexURL) {
		if u == "" {
			continue
		}
		p, err := url.Parse(u)
		if err != nil || (p.Scheme != "http" && p.Scheme != "https") || p.Host == "" {
			return nil, fmt.Errorf("index URL %q is not an http or https URL", redact(u))
		}
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: 10 * time.Minute}
	}
	client := *c.HTTP
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) >= 10 {
			return errors.New("too many redirects")
		}
		if req.URL.Host != via[0].URL.Host {
			req.Header.Del("Authorization") // credentials belong to one host
		}
		return nil
	}
	c.HTTP = &client
	if c.Tries == 0 {
		c.Tries = 3
	}
	if c.Sleep == nil {
		c.Sleep = clock.Sleep
	}
	if c.Warnf == nil {
		c.Warnf = func(string, ...any) {}
	}
	return &Client{c}, nil
}

// Files lists what all sources offer for a project, folders first. A project
// that none of them knows is ErrNoProject.
func (c *Client) Files(ctx context.Context, project string) ([]File, error) {
	name := requirement.NormalizeName(project)
	var out []File
	for _, dir := range c.c.FindLinks {
		fs, err := folder(dir, name)
		if err != nil {
			c.c.Warnf("find-links folder %s is not read: %v", dir, err)
			continue
		}
		out = append(out, fs...)
	}
	if c.c.NoIndex {
		if len(out) == 0 {
			return nil, fmt.Errorf("%q: %w: no file for it in %s, and no index is used", project, ErrNoProject, strings.Join(c.c.FindLinks, ", "))
		}
		return out, nil
	}
	var missing []string
	for _, base := range append([]string{c.c.IndexURL}, c.c.ExtraIndexURLs...) {
		if base == "" {
			continue
		}
		u := strings.TrimRight(base, "/") + "/" + name + "/"
		fs, err := c.page(ctx, u, project)
		if errors.Is(err, ErrNoProject) {
			missing = append(missing, redact(base))
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, fs...)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%q: %w: not found on %s", project, ErrNoProject, strings.Join(missing, ", "))
	}
	return out, nil
}

// folder lists a local folder's wheels of one project.
func folder(dir, name string) ([]File, error) {
	dir = strings.TrimPrefix(dir, "file://")
	es, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []File
	for _, e := range es {
		dist, _, ok := strings.Cut(e.Name(), "-")
		if !ok || !strings.HasSuffix(e.Name(), ".whl") || requirement.NormalizeName(dist) != name {
			continue
		}
		f := File{Name: e.Name(), URL: filepath.Join(dir, e.Name())}
		if info, err := e.Info(); err == nil {
			f.Size = info.Size()
		}
		out = append(out, f)
	}
	return out, nil
}

// redact removes credentials from a URL that is shown.
func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		return raw
	}
	u.User = nil
	return u.String()
}
