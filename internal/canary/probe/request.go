package probe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/shlex"
)

// Request is one probe: what is asked, and what a good answer is.
type Request struct {
	Method, Path string
	Header       http.Header
	Body         string
	// Status are the good ones: numbers, or 1 to 5 for a whole class. None means
	// everything below 500.
	Status []int
	// Contains must be in the body, Lacks must not.
	Contains, Lacks []string
	// JSON are fields of a JSON body and the value each must have.
	JSON []Field
	// Within is the longest time of a good answer; 0 for no limit of its own.
	Within time.Duration
}

// Field is a field of a JSON document: names and indexes from the top down. Want is
// nil where it only has to be there.
type Field struct {
	Path []string
	Want any
	any  bool
}

// maxRequest bounds the text of one probe, maxBody what is read of an answer to look
// into it.
const (
	maxRequest = 8192
	maxBody    = 1 << 20
)

// ParseRequest reads a path and what is expected of it, such as
//
//	/checkout status=200 contains="Total" within=500ms
//	/api/health json=status=ok json=queue.0 lacks=stacktrace
//	/api/search method=POST header="Content-Type: application/json" body='{"q":"tea"}' status=2xx
//
// Quotes are a shell's. contains, lacks, json and header may be repeated.
func ParseRequest(spec string) (Request, error) {
	r := Request{Method: http.MethodGet, Header: http.Header{}}
	if len(spec) > maxRequest {
		return r, fmt.Errorf("a probe of %d characters is too long", len(spec))
	}
	words, err := shlex.Split(spec)
	if err != nil {
		return r, fmt.Errorf("probe %q: %w: quotes are a shell's", spec, err)
	}
	if len(words) == 0 || strings.HasPrefix(spec, "#") {
		return r, fmt.Errorf("a probe is a path and what is expected, such as: /checkout status=200")
	}
	r.Path = words[0]
	if u, err := url.Parse(r.Path); err != nil || u.Host != "" || u.Fragment != "" || !strings.HasPrefix(r.Path, "/") {
		return r, fmt.Errorf("probe path %q is not a path: it begins with a slash", r.Path)
	}
	seen := map[string]bool{}
	for _, w := range words[1:] {
		key, value, ok := strings.Cut(w, "=")
		if !ok || value == "" {
			return r, fmt.Errorf("probe %q: %q is not KEY=VALUE", r.Path, w)
		}
		if slices.Contains([]string{"method", "body", "status", "within"}, key) && seen[key] {
			return r, fmt.Errorf("probe %q: %s is said twice", r.Path, key)
		}
		seen[key] = true
		if err := r.set(key, value); err != nil {
			return r, fmt.Errorf("probe %q: %w", r.Path, err)
		}
	}
	if r.Body != "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return r, fmt.Errorf("probe %q: a body needs a method such as method=POST", r.Path)
	}
	if r.Method == http.MethodHead && (len(r.Contains) > 0 || len(r.JSON) > 0) {
		return r, fmt.Errorf("probe %q: the answer to HEAD has no body to look into", r.Path)
	}
	return r, nil
}

func (r *Request) set(key, value string) error {
	switch key {
	case "method":
		if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, value) {
			return fmt.Errorf("method=%s is not known: use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS", value)
		}
		r.Method = value
	case "body":
		r.Body = value
	case "header":
		name, text, ok := strings.Cut(value, ":")
		if name = textproto.TrimString(name); !ok || name == "" || strings.ContainsAny(name, " \t") || strings.ContainsAny(value, "\r\n") {
			return fmt.Errorf("a header is not NAME: VALUE") // its value may be a secret
		}
		r.Header.Add(name, textproto.TrimString(text))
	case "status":
		for _, s := range strings.Split(value, ",") {
			n, err := strconv.Atoi(strings.TrimSuffix(s, "xx"))
			if err != nil || strings.HasSuffix(s, "xx") != (n >= 1 && n <= 5) || n > 5 && (n < 100 || n > 599) || n < 1 {
				return fmt.Errorf("status=%s: use numbers such as 200,201 or a class such as 2xx", value)
			}
			r.Status = append(r.Status, n)
		}
	case "contains":
		r.Contains = append(r.Contains, value)
	case "lacks":
		r.Lacks = append(r.Lacks, value)
	case "json":
		path, want, given := strings.Cut(value, "=")
		f := Field{Path: strings.Split(path, "."), any: !given}
		if slices.Contains(f.Path, "") {
			return fmt.Errorf("json=%s: use FIELD=VALUE or FIELD, such as status=ok or items.0.price", value)
		}
		if given && json.Unmarshal([]byte(want), &f.Want) != nil {
			f.Want = want // a word without quotes
		}
		r.JSON = append(r.JSON, f)
	case "within":
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return fmt.Errorf("within=%s: use a duration such as 500ms", value)
		}
		r.Within = d
	default:
		return fmt.Errorf("%q is not known: use method, header, body, status, contains, lacks, json or within", key)
	}
	return nil
}

// looks says whether the answer's body must be kept.
func (r *Request) looks() bool { return len(r.Contains)+len(r.Lacks)+len(r.JSON) > 0 }

// wrong says what an answer has that a good one has not, or "".
func (r *Request) wrong(status int, body []byte, took time.Duration) string {
	if !r.goodStatus(status) {
		return "answered " + strconv.Itoa(status)
	}
	for _, c := range r.Contains {
		if !strings.Contains(string(body), c) {
			return fmt.Sprintf("%q is not in the body", c)
		}
	}
	for _, c := range r.Lacks {
		if strings.Contains(string(body), c) {
			return fmt.Sprintf("%q is in the body", c)
		}
	}
	if why := r.wrongJSON(body); why != "" {
		return why
	}
	if r.Within > 0 && took > r.Within {
		return "took longer than " + r.Within.String()
	}
	return ""
}

func (r *Request) goodStatus(status int) bool {
	if len(r.Status) == 0 {
		return status < 500
	}
	return slices.Contains(r.Status, status) || slices.Contains(r.Status, status/100)
}

func (r *Request) wrongJSON(body []byte) string {
	if len(r.JSON) == 0 {
		return ""
	}
	var doc any
	if json.Unmarshal(body, &doc) != nil {
		return "the body is not JSON"
	}
	for _, f := range r.JSON {
		name := strings.Join(f.Path, ".")
		switch got, ok := f.in(doc); {
		case !ok:
			return "the body has no " + name
		case !f.any && !reflect.DeepEqual(got, f.Want):
			want, _ := json.Marshal(f.Want)
			return name + " is not " + string(want)
		}
	}
	return ""
}

// in finds the field in a document.
func (f Field) in(doc any) (any, bool) {
	for _, name := range f.Path {
		switch at := doc.(type) {
		case map[string]any:
			next, ok := at[name]
			if !ok {
				return nil, false
			}
			doc = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			doc = at[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

// name is the request for people. What follows a question mark may be a secret.
func (r *Request) name() string {
	path, _, _ := strings.Cut(r.Path, "?")
	return r.Method + " " + path
}
