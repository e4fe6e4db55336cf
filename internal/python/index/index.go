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
	// Metadata says that the index serves the file's METADATA beside it (PEP 658);
	// MetadataHash is its sha256, "" where the index does not say.
	Metadata     bool
	MetadataHash string
	// From is the configured index, folder or page that has the file.
	From string
}

// Config says where packages come from. URLs may carry no credentials of their
// own in messages: they are redacted everywhere.
type Config struct {
	IndexURL       string
	ExtraIndexURLs []string
	FindLinks      []string // local folders, or pages with links to wheels
	NoIndex        bool
	// Default says that IndexURL is what tools use when nothing is configured.
	Default bool
	HTTP    *http.Client // nil: a client with sensible limits
	// Credentials gives the user and password for a host ("index.example" or
	// "index.example:8443"), and only for it.
	Credentials func(host string) (user, password string, ok bool)
	// Sleep waits between tries; nil sleeps for real.
	Sleep func(context.Context, time.Duration) error
	// Tries bounds how often a request is sent; 0 means 3.
	Tries int
	// Moving is told how much of a file has arrived, in bytes; size is 0 where it
	// is not known. It may be nil, and is called by several at the same time.
	Moving func(file string, done, size int64)
	// Warnf reports what a person should know and a build can live with.
	Warnf func(format string, args ...any)
}

// Client answers for all configured sources.
type Client struct {
	c Config
	// users are the credentials in configured addresses, by origin
	// ("https://host:port"): files on the index's own host need them, too.
	users map[string]*url.Userinfo
}

// ErrNoProject says that no source knows a project.
var ErrNoProject = errors.New("no source has the project")

// New checks the configuration and fills in its defaults.
func New(c Config) (*Client, error) {
	users := map[string]*url.Userinfo{}
	for _, u := range slices.Concat([]string{c.IndexURL}, c.ExtraIndexURLs, pages(c.FindLinks)) {
		if u == "" {
			continue
		}
		p, err := url.Parse(u)
		if err != nil || (p.Scheme != "http" && p.Scheme != "https") || p.Host == "" {
			return nil, fmt.Errorf("index URL %q is not an http or https URL", redact(u))
		}
		if _, have := users[origin(p)]; p.User != nil && !have {
			users[origin(p)] = p.User
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
		if origin(req.URL) != origin(via[0].URL) {
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
	return &Client{c, users}, nil
}

// Main is the address of the main index, "" if there is none.
func (c *Client) Main() string { return c.c.IndexURL }

// pages are the find-links that are addresses.
func pages(links []string) []string {
	var out []string
	for _, l := range links {
		if remote(l) {
			out = append(out, l)
		}
	}
	return out
}

func remote(link string) bool {
	return strings.HasPrefix(link, "http://") || strings.HasPrefix(link, "https://")
}

// origin is the scheme, host and port that credentials are bound to.
func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// Links lists what the find-links offer for a project: folders first in the
// order given, as pip does. A folder that cannot be read is reported and passed
// over; a page that does not answer is an error.
func (c *Client) Links(ctx context.Context, project string) ([]File, error) {
	name := requirement.NormalizeName(project)
	var out []File
	for _, link := range c.c.FindLinks {
		if remote(link) {
			fs, err := c.page(ctx, link, "find-links")
			if err != nil && !errors.Is(err, ErrNoProject) {
				return nil, err
			}
			for _, f := range fs {
				if isOf(f.Name, name) {
					f.From = link
					out = append(out, f)
				}
			}
			continue
		}
		fs, err := folder(link, name)
		if err != nil {
			c.c.Warnf("find-links folder %s is not read: %v", link, err)
			continue
		}
		out = append(out, from(link, fs)...)
	}
	return out, nil
}

// from notes where files were found.
func from(source string, files []File) []File {
	for i := range files {
		files[i].From = source
	}
	return files
}

// Files lists what all sources offer for a project, find-links first. A project
// that none of them knows is ErrNoProject.
func (c *Client) Files(ctx context.Context, project string) ([]File, error) {
	name := requirement.NormalizeName(project)
	out, err := c.Links(ctx, project)
	if err != nil {
		return nil, err
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
		out = append(out, from(base, fs)...)
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
		if !isOf(e.Name(), name) {
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

// isOf says whether a file is a wheel of a project.
func isOf(file, name string) bool {
	dist, _, ok := strings.Cut(file, "-")
	return ok && strings.HasSuffix(file, ".whl") && requirement.NormalizeName(dist) == name
}

// Redact removes credentials from a URL that is shown.
func Redact(raw string) string { return redact(raw) }

func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		return raw
	}
	u.User = nil
	return u.String()
}
