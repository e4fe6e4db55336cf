package wheel

import (
	"encoding/json"
	"fmt"
	"net/url"
)

// Origin is where a wheel came from that a requirement named by its URL.
type Origin struct {
	URL    string
	SHA256 string // of the file, in hex
}

// directURL is the record of the origin (direct URL data structure, PEP 610), as
// pip writes it. Credentials and fragments stay out.
func (o Origin) directURL() ([]byte, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("writing direct_url.json: the wheel's address is not a URL")
	}
	u.User, u.Fragment = nil, ""
	type info struct {
		Hash   string            `json:"hash"`
		Hashes map[string]string `json:"hashes"`
	}
	raw, err := json.Marshal(struct {
		Archive info   `json:"archive_info"`
		URL     string `json:"url"`
	}{info{"sha256=" + o.SHA256, map[string]string{"sha256": o.SHA256}}, u.String()})
	if err != nil {
		return nil, fmt.Errorf("writing direct_url.json: %w", err)
	}
	return raw, nil
}
