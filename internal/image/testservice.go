package image

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/shlex"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Service is a container that runs beside the tests, in their network: it is
// reached on localhost, and neither of them reaches anything else.
type Service struct {
	Name  string
	Image string // REPOSITORY@sha256:…
	Env   map[string]string
}

var (
	serviceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	pinnedImage = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)
)

// ParseService reads "NAME=IMAGE@sha256:… [KEY=VALUE…]", words as a shell would
// split them.
func ParseService(s string) (Service, error) {
	words, err := shlex.Split(s)
	if err != nil || len(words) == 0 {
		return Service{}, failure.New(failure.Usage, "NAME=IMAGE@sha256:… KEY=VALUE…", "test service %q cannot be split into words", s)
	}
	name, image, ok := strings.Cut(words[0], "=")
	switch {
	case !ok || !serviceName.MatchString(name):
		return Service{}, failure.New(failure.Usage, "NAME=IMAGE@sha256:…, with a name of lower-case letters, digits and -", "test service %q has no name", words[0])
	case !pinnedImage.MatchString(image):
		return Service{}, failure.New(failure.Usage, "name it by digest: what the tests run against must not change under them", "test service %s: image %q has no digest", name, image)
	}
	out := Service{Name: name, Image: image, Env: map[string]string{}}
	for _, w := range words[1:] {
		k, v, ok := strings.Cut(w, "=")
		if !ok || k == "" {
			return Service{}, failure.New(failure.Usage, "", "test service %s: %q is not KEY=VALUE", name, w)
		}
		out.Env[k] = v
	}
	return out, nil
}

// services are the running containers of a test run.
type services struct {
	e       engine.Engine
	started []engine.Container
	names   []string
	ports   []int
}

const (
	serviceGrace   = 3 * time.Second
	serviceTimeout = 2 * time.Minute
)

// startServices starts the containers. The first one holds the network that the
// others and the tests join; it has loopback only, unless the tests have more.
func (b *builder) startServices(ctx context.Context, e engine.Engine, platform string) (*services, error) {
	s := &services{e: e}
	if _, own := e.(*engine.Namespaces); own {
		return nil, failure.New(failure.Usage, "install podman or docker", "test services need a container engine; %s shares no networks", e.Name())
	}
	for _, want := range b.Test.Services {
		b.deps.say("starting %s (%s)", want.Name, want.Image)
		ports, err := b.exposed(ctx, want.Image, platform)
		if err != nil {
			return s, fmt.Errorf("test service %s: %w", want.Name, err)
		}
		for _, p := range ports {
			if slices.Contains(s.ports, p) {
				return s, failure.New(failure.Usage, "they share one network: give one of them another port, if its image knows a variable for it", "test service %s: port %d is taken by another service", want.Name, p)
			}
		}
		if err := e.Pull(ctx, want.Image); err != nil {
			return s, fmt.Errorf("test service %s: %w", want.Name, err)
		}
		spec := engine.Spec{Image: want.Image, Env: want.Env, Network: s.network(b.Test.Network), Labels: map[string]string{"dev.fairlead.role": "test-service", "dev.fairlead.name": want.Name}}
		c, err := e.Start(ctx, spec)
		if err != nil {
			return s, fmt.Errorf("test service %s: %w", want.Name, err)
		}
		s.started, s.names, s.ports = append(s.started, c), append(s.names, want.Name), append(s.ports, ports...)
	}
	return s, nil
}

// network is what a further container of the test run gets.
func (s *services) network(asked engine.Network) engine.Network {
	if len(s.started) > 0 && asked != engine.NetworkHost {
		return engine.NetworkOf(s.started[0].ID)
	}
	if asked == engine.NetworkDefault {
		return engine.NetworkNone
	}
	return asked
}

// exposed are the TCP ports that an image's configuration names.
func (b *builder) exposed(ctx context.Context, ref, platform string) ([]int, error) {
	img, err := b.deps.Registry.Image(ctx, ref, platform)
	if err != nil {
		return nil, err
	}
	conf, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	var out []int
	for p := range conf.Config.ExposedPorts {
		number, proto, _ := strings.Cut(p, "/")
		if n, err := strconv.Atoi(number); err == nil && (proto == "" || proto == "tcp") {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// listening waits for ports with the Python of the image under test.
const listening = `import socket,sys,time
end=time.time()+float(sys.argv[1])
for p in map(int,sys.argv[2:]):
    while True:
        try: socket.create_connection(("127.0.0.1",p),1).close(); break
        except OSError as e:
            if time.time()>end: print("port %d: %s"%(p,e)); sys.exit(1)
            time.sleep(0.1)`

// ready waits until every port that the services' images name is open.
func (s *services) ready(ctx context.Context, image string, net engine.Network) error {
	if len(s.ports) == 0 {
		return nil
	}
	command := []string{"/" + venvDir + "/bin/python", "-c", listening, strconv.Itoa(int(serviceTimeout.Seconds()))}
	for _, p := range s.ports {
		command = append(command, strconv.Itoa(p))
	}
	var out bytes.Buffer
	code, err := s.e.Run(ctx, engine.Spec{Image: image, Command: command, Network: net}, &out, &out)
	if err == nil && code != 0 {
		return failure.New(failure.Service, "", "a test service does not listen after %s: %s\n%s", serviceTimeout, strings.TrimSpace(out.String()), s.logs(ctx))
	}
	return err
}

// logs are the services' last words, for people.
func (s *services) logs(ctx context.Context) string {
	var b bytes.Buffer
	for i, c := range s.started {
		fmt.Fprintf(&b, "--- %s\n", s.names[i])
		_ = s.e.Logs(context.WithoutCancel(ctx), c.ID, 20, &b)
	}
	return b.String()
}

// stop takes them down, also when the build was interrupted; the one that holds
// the network comes last.
func (s *services) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	for i := len(s.started) - 1; i >= 0; i-- {
		_ = s.e.Stop(ctx, s.started[i].ID, serviceGrace)
	}
}
