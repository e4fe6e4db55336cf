package image

import (
	"slices"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/junit"
)

// Result is what a build made: the build-image document of design.md.
type Result struct {
	Schema int    `json:"schema"`
	Tool   string `json:"tool"`
	// Verdict is fail when tests failed; everything else that stops a build is
	// an error.
	Verdict finding.Verdict `json:"verdict"`
	// Image is the repository, or "" when none was named.
	Image string `json:"image"`
	// Digest is that of the index, or of the image when there is one platform.
	Digest    string `json:"digest"`
	MediaType string `json:"media_type,omitempty"`
	// ManifestSize is the length in bytes of what Digest names.
	ManifestSize int64      `json:"manifest_size,omitempty"`
	Platforms    []Platform `json:"platforms"`
	Tags         []string   `json:"tags"`
	Layers       []Layer    `json:"layers"`
	// Processes are what a container can start, by name, as commands.
	Processes map[string]string `json:"processes,omitempty"`
	// Published says whether Image holds Digest now.
	Published bool  `json:"published"`
	Base      Base  `json:"base"`
	Cache     Cache `json:"cache"`
	Test      *Run  `json:"test,omitempty"`
	// Bills are the bills of materials that were asked for.
	Bills     []Bill `json:"sbom,omitempty"`
	Size      int64  `json:"size"` // compressed bytes of all layers, each once
	Requests  int64  `json:"requests"`
	BytesUp   int64  `json:"bytes_up"`
	BytesDown int64  `json:"bytes_down"`
	// Seconds is the time the build took.
	Seconds float64 `json:"seconds"`
	// Phases say where requests, bytes and time went, in order. Requests and bytes
	// to package indexes are not among them, but bytes of downloaded wheels are.
	Phases []Phase `json:"phases,omitempty"`
	// Notes are what a person should know, each a sentence.
	Notes []string `json:"notes,omitempty"`
}

// Phase is a part of a build.
type Phase struct {
	Name      string  `json:"name"`
	Requests  int64   `json:"requests"`
	BytesUp   int64   `json:"bytes_up"`
	BytesDown int64   `json:"bytes_down"`
	Seconds   float64 `json:"seconds"`
}

// Platform is one platform's image.
type Platform struct {
	Platform string `json:"platform"`
	Digest   string `json:"digest"`
	// ImageID is the digest of the configuration, by which engines know an image.
	ImageID string `json:"image_id,omitempty"`
	// Target is what wheels are chosen for: "linux/amd64, CPython 3.13, glibc 2.41".
	Target string `json:"target"`
	// System is the base's name for itself: "Debian GNU/Linux 13 (trixie)".
	System string `json:"system,omitempty"`
	// Folders are packages that come from the repository itself, by name.
	Folders map[string]string `json:"folders,omitempty"`
	// Tested says whether the tests ran in this very image.
	Tested bool     `json:"tested"`
	Wheels []Choice `json:"wheels,omitempty"`
	// Groups are the layers of wheels that are planned (plan alone).
	Groups []Group `json:"groups,omitempty"`
}

// Base is the base that was used.
type Base struct {
	Name   string `json:"name"`
	Digest string `json:"digest,omitempty"`
}

// Layer is one layer; platforms that share it are listed together.
type Layer struct {
	Digest    string   `json:"digest"`
	DiffID    string   `json:"diff_id"`
	Size      int64    `json:"size"`
	Wheels    []string `json:"wheels"`
	Reused    bool     `json:"reused"` // was in the registry already
	From      string   `json:"from"`   // "base", "venv", "wheels", "bytecode" or "app"
	Platforms []string `json:"platforms"`
}

// Cache says how much was there already.
type Cache string

// The cache's answers.
const (
	Hit     Cache = "hit"
	Partial Cache = "partial"
	Miss    Cache = "miss"
)

// Run is a test run.
type Run struct {
	Command  []string `json:"command"`
	Platform string   `json:"platform"`
	Engine   string   `json:"engine"`
	ExitCode int      `json:"exit_code"`
	Seconds  float64  `json:"seconds"`
	// Tail is the end of the output.
	Tail string `json:"tail"`
	// Report is what the tests' own report says, if it was asked for; JUnit its text.
	Report *junit.Report `json:"report,omitempty"`
	JUnit  []byte        `json:"-"`
}

// cacheOf sums up the layers' reuse; a base's layers say nothing about it.
func cacheOf(layers []Layer) Cache {
	own := slices.DeleteFunc(slices.Clone(layers), func(l Layer) bool { return l.From == "base" })
	reused := 0
	for _, l := range own {
		if l.Reused {
			reused++
		}
	}
	switch {
	case reused == 0:
		return Miss
	case reused == len(own):
		return Hit
	default:
		return Partial
	}
}
