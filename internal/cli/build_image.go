package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/shlex"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/gha"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/sbom"
)

// buildImageCmd is the definition of build-image.
type buildImageCmd struct {
	Context string `arg:"" optional:"" help:"Folder of the project; the current one if not given."`

	Base              string   `help:"Base image: REPOSITORY@sha256:…, oci:FOLDER, or host (this machine's own Python, for demos and tests)." placeholder:"REF"`
	RequireBaseDigest bool     `help:"Refuse a base that is named by a tag."`
	Python            string   `help:"Python version that the base must have, such as 3.13." placeholder:"VERSION"`
	Lock              string   `help:"Lock, relative to the context: hashed requirements, poetry.lock, Pipfile.lock, uv.lock, pdm.lock or pylock.toml. Where the default is not there, the one lock that is, or that of the workspace above." default:"requirements.txt" placeholder:"FILE"`
	Member            string   `help:"Project inside the context to build: a member of the lock's workspace by name, or a folder. A context that is a member itself needs none: the workspace's lock is found above it." placeholder:"NAME"`
	Extra             []string `help:"Extras of the project to install." placeholder:"NAMES"`
	Group             []string `help:"Dependency groups of the lock to install beside the project's own dependencies." placeholder:"NAMES"`
	Platforms         []string `help:"Platforms, such as linux/amd64,linux/arm64; linux/amd64 if not given, for base host this machine's." placeholder:"LIST"`

	Image         string   `help:"Repository to publish to, such as ghcr.io/acme/shop." placeholder:"REPO"`
	Tags          []string `help:"Tags to set, or whole references REPOSITORY:TAG, of several repositories if need be." placeholder:"LIST"`
	Push          bool     `help:"Publish the image (after its tests passed)."`
	ForceHostPush bool     `help:"Publish an image on base host beyond this machine."`
	Cache         string   `enum:"on,read,verify,off" default:"on" help:"The registry cache of dependencies: on, read (take from it, leave nothing: what pull requests do), verify (make everything anew and compare), off."`
	CacheRepo     string   `help:"Repository of the cache; the image's if not given." placeholder:"REPO"`
	Outputs       []string `aliases:"output" help:"Write the image: oci:FOLDER, oci-archive:FILE, tar:FILE (for docker load), docker, podman or registry; buildx's type=…,dest=… is understood. Repeatable." sep:"none" placeholder:"WHERE"`
	MetadataFile  string   `help:"Write digest, image ID and names to this file, as buildx does." placeholder:"FILE"`
	registryFlags
	Insecure []string `help:"Registry hosts to reach without TLS (loopback needs no naming)." placeholder:"HOST"`
	Mirror   []string `help:"Registry to read a base from instead of its own, HOST=MIRROR, such as docker.io=mirror.example/hub; digests stay what they are." placeholder:"HOST=MIRROR"`

	FindLinks     []string `help:"Folder with wheels, or page with links to them. Repeatable." sep:"none" placeholder:"FOLDER"`
	IndexURL      string   `name:"index-url" help:"Package index; pip's or uv's configured one if not given." placeholder:"URL"`
	ExtraIndexURL []string `name:"extra-index-url" help:"Further package index. Repeatable." sep:"none" placeholder:"URL"`

	Project     string   `enum:"auto,package,source" default:"auto" help:"How the application gets in: package installs what its packaging declares, source copies the folder, auto is package for a setuptools project with declared packages."`
	Wheel       string   `help:"Prebuilt wheel of the project, or a pattern such as dist/*.whl: the best for each platform is installed instead of the sources; with project source beside them." placeholder:"FILE"`
	Include     []string `help:"Further files of the context that package mode copies (Procfile, gunicorn.conf.py and manage.py if not given)." placeholder:"PATTERN"`
	Bytecode    string   `enum:"auto,none" default:"none" help:"Byte code in the image: auto compiles with this machine's CPython of the base's version, where it has one; the digest then depends on it."`
	Entrypoint  string   `help:"Command of the process web, which a container starts; the Procfile's, else found in the source, if not given." placeholder:"COMMAND"`
	Process     []string `help:"Further process NAME=COMMAND, beside or instead of the Procfile's: a container starts it by its name. Repeatable." sep:"none" placeholder:"PROCESS"`
	Port        int      `default:"8000" help:"Port that the application is told in PORT."`
	User        string   `default:"65532:65532" help:"User that the application runs as: UID:GID." placeholder:"UID:GID"`
	Labels      []string `help:"Label KEY=VALUE. Repeatable." sep:"none" placeholder:"KEY=VALUE"`
	Annotations []string `help:"Annotation KEY=VALUE of manifests and index; index:KEY=VALUE or manifest[PLATFORM]:KEY=VALUE for one. Repeatable." sep:"none" placeholder:"KEY=VALUE"`
	Revision    string   `help:"Source revision, for the image's annotations; GITHUB_SHA if not given." placeholder:"SHA"`
	Source      string   `help:"Source repository's URL, for the annotations." placeholder:"URL"`
	AppVersion  string   `help:"Version of the application, for the annotations." placeholder:"VERSION"`

	Test             string        `help:"Command that tests the image from inside, such as \"pytest -q\"; only what passes is published." placeholder:"COMMAND"`
	TestRequirements string        `help:"Hashed requirements file with what only the tests need, relative to the context." placeholder:"FILE"`
	TestGroup        []string      `help:"Dependency groups of the lock that only the tests need; its group test or dev if neither these nor test-requirements are given." placeholder:"NAMES"`
	TestExtra        []string      `help:"Extras of the project that only the tests need." placeholder:"NAMES"`
	TestEnv          []string      `help:"Names of environment variables that the tests may see, or NAME=VALUE." placeholder:"NAMES"`
	TestService      []string      `help:"Service beside the tests, on their localhost: NAME=IMAGE@sha256:…, and KEY=VALUE for its environment. Repeatable." sep:"none" placeholder:"SERVICE"`
	TestInclude      []string      `help:"Test files and folders (tests, test, conftest.py, pytest.ini if not given)." placeholder:"PATHS"`
	TestNetwork      string        `enum:"none,host" default:"none" help:"What the tests can reach."`
	TestShard        string        `help:"Which part of the tests runs here: I/N. The command gets FAIRLEAD_SHARD and FAIRLEAD_SHARDS, and picks its own." placeholder:"I/N"`
	Junit            string        `help:"Write the tests' report, JUnit XML, to this file. pytest is told by itself; another runner finds the path to write to in FAIRLEAD_JUNIT." placeholder:"FILE"`
	NoTest           bool          `help:"Do not test, whatever the settings say: another job did, of the digest expected."`
	ExpectDigest     string        `help:"The digest that must come out; anything else is an error, and nothing is published." placeholder:"DIGEST"`
	TestTimeout      time.Duration `default:"30m" help:"When a test run is given up."`
	Engine           string        `enum:"auto,podman,docker,none" default:"auto" help:"What runs the tests; none is the kernel's name spaces."`

	Sbom       []string `enum:"spdx,cyclonedx" help:"Write bills of materials: spdx, cyclonedx. What is pushed gets them attached." placeholder:"FORMATS"`
	SbomFolder string   `help:"Folder for them: sbom.spdx.json, sbom.cdx.json, for several platforms sbom.linux-arm64.spdx.json and so on; the current one if not given." placeholder:"FOLDER"`

	reportFlags

	Plan bool `help:"Say what would be installed, and build nothing."`
}

var _ command = (*buildImageCmd)(nil)

func (c *buildImageCmd) run(ctx context.Context, s *session) (*outcome, error) {
	if err := s.refuseForeign(ctx, firstOf(c.Context, ".")); err != nil {
		return nil, err
	}
	req, err := c.request(s)
	if err != nil {
		return nil, err
	}
	keychain, err := c.keychain(s, req.Image)
	if err != nil {
		return nil, err
	}
	reg := s.registry(c.Insecure, keychain)
	eng := &engines{s: s, want: c.Engine, reg: reg}
	defer func() { _ = eng.close() }()
	deps := image.Deps{Registry: reg, Engine: eng.get, Now: s.Now, Getenv: s.Getenv, TestOutput: s.Stderr,
		Progress: func(format string, args ...any) { s.logf("build-image: "+format, args...) }}
	if s.Terminal && s.format != "json" {
		live := newBuildLive(s.Stderr, s.Now)
		defer live.end()
		deps.Moving, deps.TestOutput = live.moving, live
		deps.Progress = func(format string, args ...any) { live.logf("build-image: "+format, args...) }
	}
	if dir, err := os.UserCacheDir(); err == nil {
		deps.CacheDir = filepath.Join(dir, "fairlead")
	}
	do := image.Build
	if c.Plan {
		do = image.Plan
	}
	var res *image.Result
	err = s.gha.Foreign(func() error { // test output goes to stderr, which the runner reads too
		res, err = do(ctx, req, deps)
		return err
	})
	if err != nil {
		return nil, err
	}
	if t := res.Test; t != nil && t.JUnit != nil {
		if err := os.WriteFile(c.Junit, t.JUnit, 0o644); err != nil {
			return nil, failure.New(failure.Usage, "", "--junit: %w", err)
		}
	}
	if c.MetadataFile != "" && !c.Plan && res.Verdict == finding.Pass {
		if err := writeMetadata(c.MetadataFile, res); err != nil {
			return nil, err
		}
	}
	return c.outcome(res), nil
}

func (c *buildImageCmd) request(s *session) (image.Request, error) {
	dir := c.Context
	if dir == "" {
		dir = "."
	}
	if !isDir(dir) {
		return image.Request{}, failure.New(failure.Usage, "", "context %q is not a folder", dir)
	}
	if c.Base == "" {
		return image.Request{}, failure.New(failure.Usage, "--base REPOSITORY@sha256:… of a Python image, or --base host for a first look", "no base image is named")
	}
	r := image.Request{
		Context: dir, Lock: c.Lock, Member: c.Member, Extras: c.Extra, Groups: c.Group, Base: c.Base, RequireBaseDigest: c.RequireBaseDigest, Platforms: c.Platforms,
		Python: c.Python, ExpectDigest: c.ExpectDigest, Push: c.Push, ForceHostPush: c.ForceHostPush, Project: image.ProjectMode(c.Project), Wheel: c.Wheel, Include: c.Include, Port: c.Port, User: c.User,
		Bytecode: c.Bytecode, Entrypoint: c.Entrypoint, Processes: c.Process, Source: c.Source, Revision: c.Revision, Version: c.AppVersion, Labels: map[string]string{},
	}
	r.Cache, r.CacheRepo = image.CacheMode(c.Cache), c.CacheRepo
	if strings.HasPrefix(s.Getenv("GITHUB_EVENT_NAME"), "pull_request") && r.Cache == image.CacheOn {
		r.Cache = image.CacheRead // a change that nobody has accepted leaves nothing for those that were
	}
	if r.Revision == "" {
		r.Revision = s.Getenv("GITHUB_SHA")
	}
	if server, repo := s.Getenv("GITHUB_SERVER_URL"), s.Getenv("GITHUB_REPOSITORY"); r.Source == "" && server != "" && repo != "" {
		r.Source = server + "/" + repo
	}
	if e := s.Getenv("SOURCE_DATE_EPOCH"); e != "" {
		sec, err := strconv.ParseInt(e, 10, 64)
		if err != nil {
			return r, failure.New(failure.Usage, "", "SOURCE_DATE_EPOCH %q is not a number of seconds", e)
		}
		r.Created = time.Unix(sec, 0).UTC()
	}
	for _, l := range c.Labels {
		k, v, ok := strings.Cut(l, "=")
		if !ok || k == "" {
			return r, failure.New(failure.Usage, "", "--labels %q is not KEY=VALUE", l)
		}
		r.Labels[k] = v
	}
	for _, text := range c.Annotations {
		a, err := annotation(text)
		if err != nil {
			return r, err
		}
		r.Annotations = append(r.Annotations, a...)
	}
	for _, text := range c.Outputs {
		o, push, err := where(text)
		switch {
		case err != nil:
			return r, err
		case push:
			r.Push = true
		default:
			r.Outputs = append(r.Outputs, o)
		}
	}
	for _, f := range c.Sbom {
		if !slices.Contains(r.SBOM, sbom.Format(f)) {
			r.SBOM = append(r.SBOM, sbom.Format(f))
		}
	}
	r.SBOMFolder = c.SbomFolder
	for _, m := range c.Mirror {
		from, to, ok := strings.Cut(m, "=")
		if !ok || from == "" || to == "" || strings.Contains(to, "://") {
			return r, failure.New(failure.Usage, "for example docker.io=mirror.example/hub", "--mirror %q is not HOST=MIRROR", m)
		}
		if r.Mirrors == nil {
			r.Mirrors = map[string]string{}
		}
		r.Mirrors[from] = to
	}
	to, err := destinations(c.Image, c.Tags)
	if err != nil {
		return r, err
	}
	r.Image, r.Tags, r.Further = to[0].Repository, to[0].Tags, to[1:]
	if c.Test != "" && !c.NoTest {
		t := &image.Test{Requirements: c.TestRequirements, Groups: c.TestGroup, Extras: c.TestExtra, Env: c.TestEnv, Include: c.TestInclude, Timeout: c.TestTimeout, Network: engine.NetworkNone}
		if c.TestNetwork == "host" {
			t.Network = engine.NetworkHost
		}
		if t.Command, err = words("test", c.Test); err != nil {
			return r, err
		}
		for _, text := range c.TestService {
			svc, err := image.ParseService(text)
			if err != nil {
				return r, err
			}
			t.Services = append(t.Services, svc)
		}
		if c.TestShard != "" {
			if t.Shard, t.Shards, err = shard(c.TestShard); err != nil {
				return r, err
			}
		}
		t.JUnit = c.Junit != ""
		r.Test = t
	}
	r.Index, err = s.indexConfig(c.IndexURL, c.ExtraIndexURL, c.FindLinks)
	return r, err
}

// shard reads "2/3" and "2/[1, 2, 3]": a workflow has the list that its matrix
// is made of, and no way to count it.
func shard(s string) (i, n int, err error) {
	first, rest, _ := strings.Cut(s, "/")
	var list []any
	if json.Unmarshal([]byte(rest), &list) == nil {
		rest = strconv.Itoa(len(list))
	}
	i, errI := strconv.Atoi(strings.TrimSpace(first))
	n, errN := strconv.Atoi(strings.TrimSpace(rest))
	if errI != nil || errN != nil || i < 1 || i > n {
		return 0, 0, failure.New(failure.Usage, "1/3 is the first of three", "test-shard %q is not I/N", s)
	}
	return i, n, nil
}

// words splits a command as a shell would, without running one.
func words(flag, s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	out, err := shlex.Split(s)
	if err != nil || len(out) == 0 {
		return nil, failure.New(failure.Usage, "", "--%s %q cannot be split into words: %v", flag, s, err)
	}
	return out, nil
}

func (c *buildImageCmd) outcome(r *image.Result) *outcome {
	ref := r.Digest
	if r.Image != "" {
		ref = r.Image + "@" + r.Digest
	}
	o := &outcome{verdict: r.Verdict, document: r, headline: buildHeadline(r), text: func(w io.Writer) error { return buildText(w, r, c.Plan) }, summary: buildSummary(r),
		outputs: []pair{{"image", r.Image}, {"digest", r.Digest}, {"ref", ref}, {"verdict", string(r.Verdict)}, {"tags", strings.Join(r.Tags, "\n")}, {"imageid", imageID(r)}, {"metadata", buildxMetadata(r)}, {"sbom", bills(r)}}}
	if r.Test != nil {
		o.report, o.folder = &c.reportFlags, c.Context
	}
	if r.Test != nil && r.Test.Report != nil {
		o.headline = r.Test.Report.String() + " inside " + o.headline
		o.annotations = testAnnotations(r.Test.Report, c.Context)
	} else if r.Verdict != finding.Pass && r.Test != nil {
		o.annotations = []gha.Annotation{{Level: gha.LevelError, Title: "tests failed inside the image",
			Message: fmt.Sprintf("%s ended with exit code %d; nothing was published", strings.Join(r.Test.Command, " "), r.Test.ExitCode)}}
	}
	return o
}

// bills are the files of the bills of materials, one a line.
func bills(r *image.Result) string {
	var out []string
	for _, b := range r.Bills {
		out = append(out, b.Path)
	}
	return strings.Join(out, "\n")
}

// buildHeadline is what is built, or would be, in a line.
func buildHeadline(r *image.Result) string {
	var each []string
	for _, p := range r.Platforms {
		each = append(each, fmt.Sprintf("%s with %d wheels", p.Platform, len(p.Wheels)))
	}
	return strings.Join(each, ", ") + " on " + r.Base.Name
}

func buildSummary(r *image.Result) string {
	var b strings.Builder
	word := "built"
	switch {
	case r.Verdict != finding.Pass:
		word = "tests failed; nothing was published"
	case r.Published:
		word = "published"
	}
	fmt.Fprintf(&b, "**build-image: %s** `%s`\n\n| platform | digest | tested |\n|---|---|---|\n", word, r.Digest)
	for _, p := range r.Platforms {
		fmt.Fprintf(&b, "| %s | `%s` | %v |\n", p.Platform, p.Digest, p.Tested)
	}
	fmt.Fprintf(&b, "\n%d layers, %s, %d requests, %.1f s; cache: %s\n", len(r.Layers), megabytes(r.Size), r.Requests, r.Seconds, r.Cache)
	if len(r.Phases) > 0 {
		b.WriteString("\n| phase | requests | sent | received | seconds |\n|---|---|---|---|---|\n")
	}
	for _, p := range r.Phases {
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %.1f |\n", p.Name, p.Requests, megabytes(p.BytesUp), megabytes(p.BytesDown), p.Seconds)
	}
	return b.String()
}
