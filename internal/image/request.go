// Package image turns a locked Python project into a reproducible OCI image: it
// plans which wheel each platform gets, makes layers of them, adds the
// application, tests the result and publishes exactly what was tested. Nothing
// is executed to assemble an image: no pip, no sdist, no Dockerfile.
package image

import (
	"context"
	"io"
	"time"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/sbom"
)

// Where things are in the image. They are part of every digest.
const (
	appDir  = "app"
	venvDir = "app/.venv"
)

// Request says what to build. Zero values mean the defaults named.
type Request struct {
	// Context is the project's folder.
	Context string
	// Lock is the lock, relative to Context (or absolute); default
	// "requirements.txt", else the one lock that the context has, else that of
	// the workspace which the context is a member of.
	Lock string
	// Member is the project inside Context that is built: a member of the lock's
	// workspace by name, or a folder; default Context itself.
	Member string
	// Extras and Groups of the lock are installed beside the project's own
	// dependencies.
	Extras, Groups []string
	// Base is an image reference, "oci:FOLDER" or "host".
	Base string
	// RequireBaseDigest refuses a base that is named by a tag.
	RequireBaseDigest bool
	// Python is the version that the base must have, such as "3.13"; "" for any.
	Python string
	// ExpectDigest, when set, is what the result must be: a build whose tests ran
	// elsewhere, or that another job announced.
	ExpectDigest string
	// HostPython is the interpreter that base host is made from; default "python3".
	HostPython string
	// Platforms are such as "linux/arm64"; default: this machine's for base
	// host, else linux/amd64.
	Platforms []string

	// Image is the repository to publish to, "registry/owner/name".
	Image string
	Tags  []string
	// Further are other repositories that get the same image.
	Further []Destination
	// Push publishes to Image; it happens after the tests passed.
	Push bool
	// ForceHostPush allows to publish a base host image beyond loopback.
	ForceHostPush bool
	// Cache says how the registry cache is used; default CacheOn. CacheRepo is its
	// repository; default Image, when the build pushes.
	Cache     CacheMode
	CacheRepo string
	Outputs   []Output

	// Index says where wheels come from. What the lock says about indexes is
	// added to it, as pip does.
	Index index.Config

	// Project says how the application gets in.
	Project ProjectMode
	// Wheel is a prebuilt wheel of the project, installed instead of the sources.
	Wheel string
	// Include are further files that package mode copies to /app: patterns
	// relative to Context. Default: Procfile, gunicorn.conf.py, manage.py.
	Include []string

	// Entrypoint is the command of the process web; default: the Procfile's, else
	// what the source shows.
	Entrypoint string
	// Processes are further ones, NAME=COMMAND, beside or instead of the
	// Procfile's.
	Processes []string
	// Port is told to the application in PORT and exposed; default 8000.
	Port int
	// User is "uid:gid"; default 65532:65532.
	User string

	// Bytecode is BytecodeNone (the default) or BytecodeAuto.
	Bytecode string

	// Source, Revision and Version become OCI annotations and labels.
	Source, Revision, Version string
	// Created is the image's time: SOURCE_DATE_EPOCH or the commit's. The zero
	// value is the epoch.
	Created time.Time
	// Labels are added to the image's.
	Labels map[string]string

	// SBOM are the formats of bills of materials to write, into SBOMFolder (the
	// current one if empty), and to attach to what is pushed.
	SBOM       []sbom.Format
	SBOMFolder string

	// Annotations are added to manifests and index.
	Annotations []Annotation

	// Mirrors says which registry is read instead of another, "docker.io" to
	// "mirror.example/hub"; digests stay what they are.
	Mirrors map[string]string

	// Test, when set, runs before anything is published.
	Test *Test
}

// Destination is a repository and the tags to set in it.
type Destination struct {
	Repository string
	Tags       []string
}

// Annotation is one of the user's annotations.
type Annotation struct {
	Key, Value string
	// Level is "manifest" or "index"; "" is both.
	Level string
	// Platform limits it to one platform's manifest; "" is all.
	Platform string
}

// on are the annotations of a manifest ("manifest" and its platform) or the
// index.
func on(all []Annotation, level, platform string) map[string]string {
	out := map[string]string{}
	for _, a := range all {
		if (a.Level == "" || a.Level == level) && (a.Platform == "" || a.Platform == platform) {
			out[a.Key] = a.Value
		}
	}
	return out
}

// CacheMode says how the registry cache is used.
type CacheMode string

// The cache modes.
const (
	// CacheOn takes dependencies from the cache, and leaves them there.
	CacheOn CacheMode = "on"
	// CacheRead takes them, and leaves nothing: for builds of strangers' changes.
	CacheRead CacheMode = "read"
	// CacheVerify makes everything anew and compares it with what the cache has.
	CacheVerify CacheMode = "verify"
	// CacheOff does without.
	CacheOff CacheMode = "off"
)

// ProjectMode says how the application gets into the image.
type ProjectMode string

// The project modes.
const (
	// ProjectAuto is package for a setuptools project with declared packages,
	// else source.
	ProjectAuto ProjectMode = "auto"
	// ProjectPackage installs the packages as their build backend would.
	ProjectPackage ProjectMode = "package"
	// ProjectSource copies the context to /app.
	ProjectSource ProjectMode = "source"
)

// Output is a place the image is written to besides the registry.
type Output struct {
	Kind OutputKind
	Path string // of oci, oci-archive and tar
}

// OutputKind is "oci", "oci-archive", "tar", "docker" or "podman".
type OutputKind string

// The output kinds.
const (
	OutputOCI    OutputKind = "oci" // a folder
	OutputOCITar OutputKind = "oci-archive"
	OutputTar    OutputKind = "tar" // for docker load
	OutputDocker OutputKind = "docker"
	OutputPodman OutputKind = "podman"
)

// Test says how the assembled image is tested.
type Test struct {
	// Command runs without a shell, in the folder of the tests.
	Command []string
	// Requirements is a hashed requirements file with the test dependencies;
	// empty: none.
	Requirements string
	// Extras and Groups of the project's lock are what the tests need beside what
	// the image holds.
	Extras, Groups []string
	// Env are the names of variables that tests may see.
	Env []string
	// Include are the test files and folders, relative to Context; default
	// tests, test, conftest.py, pytest.ini: those that exist.
	Include []string
	// JUnit collects the tests' report in the JUnit format.
	JUnit bool
	// Services run beside the tests; podman or docker only.
	Services []Service
	// Shard and Shards tell the command, in FAIRLEAD_SHARD and FAIRLEAD_SHARDS,
	// which part of the tests is its own; 0: all.
	Shard, Shards int
	// Network is engine.NetworkNone unless the user asked for more.
	Network engine.Network
	// Timeout ends a test run that hangs; 0: 30 minutes.
	Timeout time.Duration
}

// Deps is what building needs of the world.
type Deps struct {
	Registry *oci.Client
	// Engine returns the engine that runs tests ("" for whichever works) or
	// takes in an output ("docker", "podman"). It is called when needed.
	Engine func(ctx context.Context, name string) (engine.Engine, error)
	// WorkDir keeps layers and wheels while building. Empty: a temporary folder.
	WorkDir string
	// CacheDir keeps wheels, base facts and the layer of base host between
	// builds; empty: nothing is kept. Wheels from it are verified against the
	// lock; the rest is trusted, so the folder must be the user's own.
	CacheDir string
	Now      func() time.Time
	Getenv   func(string) string
	// Progress tells a person what happens; it may be nil.
	Progress func(format string, args ...any)
	// Moving tells how far downloads, layers and uploads have come, often and by
	// several at the same time; it may be nil.
	Moving func(Moving)
	// TestOutput receives the output of tests while they run; nil: nothing does.
	TestOutput io.Writer
}

func (d Deps) say(format string, args ...any) {
	if d.Progress != nil {
		d.Progress(format, args...)
	}
}
