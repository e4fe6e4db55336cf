package pin

import (
	_ "crypto/sha256" // go-digest knows an algorithm only when it is linked
	_ "crypto/sha512"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// imageUse is an image where it is used, ready to be judged.
type imageUse struct {
	raw   string // as written
	ref   string // with variables put in
	where string // "FROM", "docker://", "service", …
	// unset lists variables without a value; unknown is an expression that the
	// file does not decide; variable is one where none is allowed.
	unset    []string
	unknown  bool
	variable bool
	// frontend: the image is BuildKit's syntax frontend. bare: a name that could
	// also be a named build context.
	frontend, bare bool
	context        []string
}

// imageName is an image without tag and digest, as people write it.
func imageName(ref string) string {
	name, _, _ := strings.Cut(ref, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return name
}

// imageTag is the tag of a reference; a port is none.
func imageTag(ref string) string {
	name, _, _ := strings.Cut(ref, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[i+1:]
	}
	return ""
}

// splitDigest divides a reference at its digest, which may be malformed.
func splitDigest(ref string) (name, dig string, ok bool) {
	i := strings.IndexByte(ref, '@')
	if i < 0 {
		return ref, "", false
	}
	return ref[:i], ref[i+1:], true
}

// digestProblem says what is wrong with a digest, nil if nothing is (OCI image
// specification, descriptor.md, "Digests").
func digestProblem(s string) error {
	if hex, ok := strings.CutPrefix(s, "sha256:"); ok && sha256Hex.MatchString(hex) && strings.ToLower(hex) == hex {
		return nil // as nearly all are
	}
	return digest.Digest(s).Validate()
}

// validReference says whether registries could know the reference.
func validReference(ref string) error {
	if usual(ref) {
		return nil
	}
	_, err := reference.ParseNormalizedNamed(ref)
	return err
}

// usual says whether a reference is of the simplest form, which needs no grammar:
// words in lower case with single ".", "-" or "/" between them, and perhaps a tag
// and a sha256.
func usual(ref string) bool {
	name, dig, ok := splitDigest(ref)
	if ok && digestProblem(dig) != nil {
		return false
	}
	name, tag, ok := strings.Cut(name, ":")
	if len(name) > 60 || ok && (len(tag) > 100 || !consists(tag, "._-") || strings.IndexByte("._-", tag[0]) >= 0) {
		return false
	}
	between := true
	for i := range len(name) {
		c := name[i]
		apart := c == '.' || c == '-' || c == '/'
		if !apart && !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9') || apart && between {
			return false
		}
		between = apart
	}
	return !between
}

// imageRules are the rules about images. The first ones say what makes the
// others' questions moot.
var imageRules = sync.OnceValue(func() []rule[imageUse] {
	return []rule[imageUse]{imageExpression(), imageBuildArg(), imageBadDigest(), imageInvalid(), dockerSyntax(), imageNotPinned()}
})

func (c *checker) image(at place, u imageUse) {
	s := Subject{Kind: Image, Name: imageName(u.ref), Ref: u.raw, State: Pinned, By: "digest"}
	judge(c, at, &s, imageRules(), u)
	c.add(at, s)
	c.askImage(at, u)
}
