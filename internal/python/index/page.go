package index

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"path"
	"strings"

	"golang.org/x/net/html"
)

// parsePage reads a project page by its content type. base is the URL that
// answered, against which relative addresses are resolved.
func parsePage(contentType string, body []byte, base *url.URL) ([]File, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = contentType
	}
	switch {
	case strings.HasSuffix(kind, "+json"), kind == "application/json":
		return parseJSON(body, base)
	case strings.HasSuffix(kind, "+html"), kind == "text/html":
		return parseHTML(body, base)
	}
	return nil, fmt.Errorf("the answer's type %q is neither HTML nor JSON of a package index", kind)
}

// checkMajor refuses a repository version that we may misread (PEP 629).
func checkMajor(v string) error {
	if v == "" || v == "1" || strings.HasPrefix(v, "1.") {
		return nil
	}
	return fmt.Errorf("repository API version %q is newer than 1.x", v)
}

func parseJSON(body []byte, base *url.URL) ([]File, error) {
	var page struct {
		Meta struct {
			Version string `json:"api-version"`
		} `json:"meta"`
		Files []struct {
			Filename       string            `json:"filename"`
			URL            string            `json:"url"`
			Hashes         map[string]string `json:"hashes"`
			RequiresPython string            `json:"requires-python"`
			Yanked         any               `json:"yanked"`
			Size           int64             `json:"size"`
			CoreMetadata   any               `json:"core-metadata"`
			DistMetadata   any               `json:"dist-info-metadata"` // its name before PEP 714
		} `json:"files"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, fmt.Errorf("the answer is not valid JSON: %w", err)
	}
	if err := checkMajor(page.Meta.Version); err != nil {
		return nil, err
	}
	var out []File
	for _, f := range page.Files {
		u, err := base.Parse(f.URL)
		if err != nil || !plainName(f.Filename) {
			continue // a file that cannot be named is not installed either
		}
		file := File{Name: f.Filename, URL: u.String(), Hashes: f.Hashes, RequiresPython: f.RequiresPython, Size: f.Size}
		switch y := f.Yanked.(type) {
		case bool:
			file.Yanked = y
		case string:
			file.Yanked, file.YankedReason = true, y
		}
		if f.CoreMetadata == nil {
			f.CoreMetadata = f.DistMetadata
		}
		switch m := f.CoreMetadata.(type) {
		case bool:
			file.Metadata = m
		case map[string]any:
			file.Metadata = true
			file.MetadataHash, _ = m["sha256"].(string)
		}
		out = append(out, file)
	}
	return out, nil
}

func parseHTML(body []byte, base *url.URL) ([]File, error) {
	var out []File
	z := html.NewTokenizer(bytes.NewReader(body))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return out, nil // the end; a broken page yields what it has
		case html.StartTagToken, html.SelfClosingTagToken:
			tok := z.Token()
			attr := map[string]string{}
			for _, a := range tok.Attr {
				attr[a.Key] = a.Val
			}
			switch tok.Data {
			case "meta":
				if attr["name"] == "pypi:repository-version" {
					if err := checkMajor(attr["content"]); err != nil {
						return nil, err
					}
				}
			case "base":
				if u, err := base.Parse(attr["href"]); err == nil {
					base = u
				}
			case "a":
				if f, ok := anchor(attr, base); ok {
					out = append(out, f)
				}
			}
		}
	}
}

func anchor(attr map[string]string, base *url.URL) (File, bool) {
	u, err := base.Parse(strings.TrimSpace(attr["href"]))
	if err != nil || attr["href"] == "" {
		return File{}, false
	}
	f := File{Name: path.Base(u.Path), RequiresPython: attr["data-requires-python"], Hashes: map[string]string{}}
	if algo, sum, ok := strings.Cut(u.Fragment, "="); ok && (algo == "sha256" || algo == "sha384" || algo == "sha512") {
		f.Hashes[algo] = sum
	}
	u.Fragment = ""
	f.URL = u.String()
	f.YankedReason, f.Yanked = attr["data-yanked"], false
	if _, ok := attr["data-yanked"]; ok {
		f.Yanked = true
	}
	meta, ok := attr["data-core-metadata"]
	if !ok {
		meta, ok = attr["data-dist-info-metadata"]
	}
	if ok && meta != "false" {
		f.Metadata = true
		f.MetadataHash, _ = strings.CutPrefix(meta, "sha256=")
		if f.MetadataHash == "true" {
			f.MetadataHash = ""
		}
	}
	return f, plainName(f.Name)
}

// plainName says whether a file name is only that.
func plainName(n string) bool {
	return n != "" && n != "." && n != ".." && len(n) <= 512 && !strings.ContainsAny(n, "/\\\x00")
}
