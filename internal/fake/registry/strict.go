package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// strict is a registry that keeps the rules of the OCI distribution
// specification 1.1 which a lenient one lets pass: blobs belong to repositories,
// a manifest needs all it names, uploads go on where they broke. It keeps
// everything in memory.
type strict struct {
	noSingle bool

	mu      sync.Mutex
	repos   map[string]*repository
	uploads map[string]*upload
	next    int
}

type repository struct {
	blobs     map[string][]byte
	manifests map[string]stored // by digest
	tags      map[string]string
}

type stored struct {
	raw  []byte
	kind string
}

type upload struct {
	repo string
	data []byte
}

func newStrict(noSingle bool) *strict {
	return &strict{noSingle: noSingle, repos: map[string]*repository{}, uploads: map[string]*upload{}}
}

func (s *strict) repo(name string) *repository {
	r, ok := s.repos[name]
	if !ok {
		r = &repository{blobs: map[string][]byte{}, manifests: map[string]stored{}, tags: map[string]string{}}
		s.repos[name] = r
	}
	return r
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"the registry refuses"}]}`, code)
}

func digestOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

var (
	blobPath     = regexp.MustCompile(`^/v2/(.+)/blobs/(sha256:[0-9a-f]{64})$`)
	uploadPath   = regexp.MustCompile(`^/v2/(.+)/blobs/uploads/([0-9]*)$`)
	manifestPath = regexp.MustCompile(`^/v2/(.+)/manifests/([^/]+)$`)
	tagsPath     = regexp.MustCompile(`^/v2/(.+)/tags/list$`)
)

// ServeHTTP implements http.Handler.
func (s *strict) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	// The body is read before the lock is taken: a client that hangs must not
	// stop the others.
	body, err := io.ReadAll(req.Body)
	p := req.URL.Path
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := uploadPath.FindStringSubmatch(p); m != nil {
		s.upload(w, req, m[1], m[2], body, err)
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "SIZE_INVALID")
		return
	}
	switch {
	case p == "/v2/" || p == "/v2":
		w.WriteHeader(http.StatusOK)
	case blobPath.MatchString(p):
		m := blobPath.FindStringSubmatch(p)
		s.blob(w, req, m[1], m[2])
	case manifestPath.MatchString(p):
		m := manifestPath.FindStringSubmatch(p)
		s.manifest(w, req, m[1], m[2], body)
	case tagsPath.MatchString(p):
		s.tags(w, req, tagsPath.FindStringSubmatch(p)[1])
	default:
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN")
	}
}

func (s *strict) blob(w http.ResponseWriter, req *http.Request, name, digest string) {
	data, ok := s.repo(name).blobs[digest]
	if !ok {
		refuse(w, http.StatusNotFound, "BLOB_UNKNOWN")
		return
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data)) // knows ranges
	case http.MethodDelete:
		delete(s.repo(name).blobs, digest)
		w.WriteHeader(http.StatusAccepted)
	default:
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED")
	}
}

// upload is the life of one upload. What arrived of a body that broke off is
// kept.
func (s *strict) upload(w http.ResponseWriter, req *http.Request, name, id string, body []byte, broken error) {
	q := req.URL.Query()
	if req.Method == http.MethodPost && id == "" {
		s.begin(w, q.Get("mount"), q.Get("from"), q.Get("digest"), name, body, broken)
		return
	}
	u, ok := s.uploads[id]
	if !ok || u.repo != name {
		refuse(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		return
	}
	switch req.Method {
	case http.MethodGet:
		s.progress(w, name, id, http.StatusNoContent)
	case http.MethodDelete:
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPatch:
		if first, _, ok := strings.Cut(req.Header.Get("Content-Range"), "-"); ok {
			if at, err := strconv.Atoi(first); err != nil || at != len(u.data) {
				refuse(w, http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID")
				return
			}
		}
		u.data = append(u.data, body...)
		s.progress(w, name, id, http.StatusAccepted)
	case http.MethodPut:
		if broken != nil {
			return
		}
		s.commit(w, name, q.Get("digest"), append(u.data, body...), func() { delete(s.uploads, id) })
	default:
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED")
	}
}

func (s *strict) begin(w http.ResponseWriter, mount, from, digest, name string, body []byte, broken error) {
	if data, ok := s.repo(from).blobs[mount]; ok && mount != "" {
		s.repo(name).blobs[mount] = data
		w.Header().Set("Location", "/v2/"+name+"/blobs/"+mount)
		w.WriteHeader(http.StatusCreated)
		return
	}
	if digest != "" && !s.noSingle {
		if broken == nil {
			s.commit(w, name, digest, body, func() {})
		}
		return
	}
	s.next++
	id := strconv.Itoa(s.next)
	s.uploads[id] = &upload{repo: name}
	s.progress(w, name, id, http.StatusAccepted)
}

func (s *strict) progress(w http.ResponseWriter, name, id string, status int) {
	w.Header().Set("Location", "/v2/"+name+"/blobs/uploads/"+id+"?state=x")
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, len(s.uploads[id].data)-1)))
	w.WriteHeader(status)
}

func (s *strict) commit(w http.ResponseWriter, name, digest string, data []byte, done func()) {
	if digestOf(data) != digest {
		refuse(w, http.StatusBadRequest, "DIGEST_INVALID")
		return
	}
	s.repo(name).blobs[digest] = data
	done()
	w.Header().Set("Location", "/v2/"+name+"/blobs/"+digest)
	w.Header().Set("Docker-Content-Digest", digest)
	w.WriteHeader(http.StatusCreated)
}

func (s *strict) manifest(w http.ResponseWriter, req *http.Request, name, ref string, body []byte) {
	r := s.repo(name)
	if req.Method == http.MethodPut {
		s.store(w, r, ref, req.Header.Get("Content-Type"), body)
		return
	}
	digest := ref
	if !strings.HasPrefix(ref, "sha256:") {
		digest = r.tags[ref]
	}
	m, ok := r.manifests[digest]
	if !ok {
		refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN")
		return
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Type", m.kind)
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(m.raw))
	case http.MethodDelete:
		if ref == digest {
			delete(r.manifests, digest)
			maps.DeleteFunc(r.tags, func(_, d string) bool { return d == digest })
		} else {
			delete(r.tags, ref)
		}
		w.WriteHeader(http.StatusAccepted)
	default:
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED")
	}
}

func (s *strict) store(w http.ResponseWriter, r *repository, ref, kind string, raw []byte) {
	digest := digestOf(raw)
	if strings.HasPrefix(ref, "sha256:") && ref != digest {
		refuse(w, http.StatusBadRequest, "DIGEST_INVALID")
		return
	}
	var m struct {
		Config    *struct{ Digest string }
		Layers    []struct{ Digest string }
		Manifests []struct{ Digest string }
	}
	if json.Unmarshal(raw, &m) != nil {
		refuse(w, http.StatusBadRequest, "MANIFEST_INVALID")
		return
	}
	if m.Config != nil {
		m.Layers = append(m.Layers, *m.Config)
	}
	for _, l := range m.Layers {
		if _, ok := r.blobs[l.Digest]; !ok {
			refuse(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN")
			return
		}
	}
	for _, c := range m.Manifests {
		if _, ok := r.manifests[c.Digest]; !ok {
			refuse(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN")
			return
		}
	}
	r.manifests[digest] = stored{bytes.Clone(raw), kind}
	if ref != digest {
		r.tags[ref] = digest
	}
	w.Header().Set("Docker-Content-Digest", digest)
	w.WriteHeader(http.StatusCreated)
}

func (s *strict) tags(w http.ResponseWriter, req *http.Request, name string) {
	q := req.URL.Query()
	all := slices.Sorted(maps.Keys(s.repo(name).tags))
	all = slices.DeleteFunc(all, func(t string) bool { return t <= q.Get("last") })
	if n, err := strconv.Atoi(q.Get("n")); err == nil && n > 0 && n < len(all) {
		all = all[:n]
		w.Header().Set("Link", fmt.Sprintf(`</v2/%s/tags/list?n=%d&last=%s>; rel="next"`, name, n, all[n-1]))
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"name": name, "tags": all})
}

// Tags lists a repository's tags with their digests (Strict only).
func (r *Registry) Tags(repo string) map[string]string {
	r.strict.mu.Lock()
	defer r.strict.mu.Unlock()
	return maps.Clone(r.strict.repo(repo).tags)
}

// Forget removes a blob from a repository, as garbage collection does (Strict
// only).
func (r *Registry) Forget(repo, digest string) {
	r.strict.mu.Lock()
	defer r.strict.mu.Unlock()
	delete(r.strict.repo(repo).blobs, digest)
}

// Complete says what a tag's image lacks: "" if it is all there (Strict only).
func (r *Registry) Complete(repo, tag string) string {
	r.strict.mu.Lock()
	defer r.strict.mu.Unlock()
	rep := r.strict.repo(repo)
	var check func(digest string) string
	check = func(digest string) string {
		m, ok := rep.manifests[digest]
		if !ok {
			return "manifest " + digest
		}
		var parts struct {
			Config    struct{ Digest string }
			Layers    []struct{ Digest string }
			Manifests []struct{ Digest string }
		}
		if err := json.Unmarshal(m.raw, &parts); err != nil {
			return err.Error()
		}
		for _, c := range parts.Manifests {
			if lack := check(c.Digest); lack != "" {
				return lack
			}
		}
		for _, l := range append(parts.Layers, parts.Config) {
			if data, ok := rep.blobs[l.Digest]; l.Digest != "" && (!ok || digestOf(data) != l.Digest) {
				return "blob " + l.Digest
			}
		}
		return ""
	}
	return check(rep.tags[tag])
}

// Manifest returns what a tag names (Strict only).
func (r *Registry) Manifest(repo, tag string) ([]byte, bool) {
	r.strict.mu.Lock()
	defer r.strict.mu.Unlock()
	rep := r.strict.repo(repo)
	m, ok := rep.manifests[rep.tags[tag]]
	return m.raw, ok
}

// Plant puts a manifest under a tag, whatever it is (Strict only).
func (r *Registry) Plant(repo, tag string, raw []byte) {
	r.strict.mu.Lock()
	defer r.strict.mu.Unlock()
	rep := r.strict.repo(repo)
	d := digestOf(raw)
	rep.manifests[d] = stored{raw, "application/vnd.oci.image.manifest.v1+json"}
	rep.tags[tag] = d
}

// Untag removes the tags of a repository that begin so (Strict only).
func (r *Registry) Untag(repo, begins string) {
	r.strict.mu.Lock()
	defer r.strict.mu.Unlock()
	maps.DeleteFunc(r.strict.repo(repo).tags, func(t, _ string) bool { return strings.HasPrefix(t, begins) })
}
