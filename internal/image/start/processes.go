package start

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Web is the process that a container starts when none is named.
const Web = "web"

// Process is something that an image can start.
type Process struct {
	Name string
	Command
	// From says where it comes from: "Procfile:1", "shop/app.py:3".
	From string
}

// Input is what is known of a project.
type Input struct {
	// Entrypoint is the web process as the user gave it, "" if not.
	Entrypoint string
	// Extra are further processes, NAME=COMMAND.
	Extra []string
	// Procfile is the file's text; nil where there is none.
	Procfile []byte
	// Modules are the application's Python modules as the image has them.
	Modules []Module
	// Locked says whether the image holds a package (PEP 503 name).
	Locked func(name string) bool
	// Commands are those in the virtual environment, nil where that is not known
	// yet; Bin is their folder.
	Commands []string
	Bin      string
}

// Plan is how an image starts.
type Plan struct {
	Processes []Process // the first is the default
	Notes     []string
}

var (
	procfileLine = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(.+)$`)
	extraProcess = regexp.MustCompile(`^([A-Za-z0-9_-]+)=(.+)$`)
)

const hintNoStart = `write a Procfile with a line such as "web: gunicorn shop.wsgi:app", or give --entrypoint`

// Find settles the processes: web is the given entry point, else the Procfile's,
// else what the source shows.
func Find(in Input) (Plan, error) {
	var p Plan
	if err := p.read(in); err != nil {
		return Plan{}, err
	}
	if p.index(Web) < 0 {
		switch {
		case len(p.Processes) == 1 && in.Procfile != nil:
			p.note("the Procfile has no web: %s is what a container starts", p.Processes[0].Name)
		case len(p.Processes) > 0 && in.Procfile != nil && len(in.Extra) == 0:
			return Plan{}, failure.New(failure.Usage, hintNoStart, "reading Procfile: it has no process type %q", Web)
		default:
			found, err := detect(in)
			if err != nil && len(p.Processes) == 1 {
				p.note("there is no web: %s is what a container starts", p.Processes[0].Name)
				break // somebody named the one process that there is
			}
			if err != nil {
				return Plan{}, err
			}
			p.note("start: %s, found at %s; a Procfile or --entrypoint says otherwise", found.Text, found.From)
			p.Processes = append([]Process{found}, p.Processes...)
		}
	}
	if i := p.index(Web); i > 0 {
		web := p.Processes[i]
		p.Processes = slices.Insert(slices.Delete(p.Processes, i, i+1), 0, web)
	}
	for i := range p.Processes {
		if err := p.Processes[i].locate(in); err != nil {
			return Plan{}, err
		}
	}
	return p, nil
}

// Check refuses commands that cannot be started, before anything is fetched.
func Check(entrypoint string, extra []string) error {
	return new(Plan).read(Input{Entrypoint: entrypoint, Extra: extra})
}

func (p *Plan) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

func (p *Plan) index(name string) int {
	return slices.IndexFunc(p.Processes, func(q Process) bool { return q.Name == name })
}

// set adds a process, or replaces the one of that name.
func (p *Plan) set(q Process) {
	if i := p.index(q.Name); i >= 0 {
		p.Processes[i] = q
		return
	}
	p.Processes = append(p.Processes, q)
}

// read takes what the user wrote: the Procfile, then what replaces it.
func (p *Plan) read(in Input) error {
	overridden := map[string]bool{Web: in.Entrypoint != ""}
	var given []Process
	for _, e := range in.Extra {
		m := extraProcess.FindStringSubmatch(e)
		if m == nil {
			return failure.New(failure.Usage, "for example worker=\"celery -A shop worker\"", "--process %q is not NAME=COMMAND", e)
		}
		c, err := Parse(m[2], "--process "+m[1])
		if err != nil {
			return err
		}
		overridden[m[1]] = true
		given = append(given, Process{m[1], c, "--process"})
	}
	line := 0
	for text := range strings.Lines(string(in.Procfile)) {
		line++
		m := procfileLine.FindStringSubmatch(strings.TrimSpace(text))
		if m == nil || overridden[m[1]] {
			continue
		}
		overridden[m[1]] = true // of two of one name the first counts
		at := fmt.Sprintf("Procfile:%d", line)
		c, err := Parse(m[2], at)
		if err != nil && m[1] != Web {
			p.note("%s is not among the processes of the image: %v", m[1], err)
			continue
		}
		if err != nil {
			return err
		}
		p.set(Process{m[1], c, at})
	}
	for _, q := range given {
		p.set(q)
	}
	if in.Entrypoint == "" {
		return nil
	}
	c, err := Parse(in.Entrypoint, "--entrypoint")
	if err != nil {
		return err
	}
	p.set(Process{Web, c, "--entrypoint"})
	return nil
}

// locate looks a command up among those of the virtual environment. One that is
// not there is refused, unless the user named it: the base may have it.
func (p *Process) locate(in Input) error {
	name, ok := p.Words[0].Literal()
	if !ok || strings.Contains(name, "/") {
		return nil
	}
	in.Bin = cmp.Or(in.Bin, "/bin")
	switch {
	case name == "python", name == "python3", slices.Contains(in.Commands, name):
		p.Words[0] = Word{{Text: path.Join(in.Bin, name)}}
	case in.Commands != nil && strings.HasPrefix(p.From, "Procfile"):
		return failure.New(failure.Usage, "add the package that brings it to the lock, or name a command of the base image by its path",
			"%s: no locked package brings a command %q", p.From, name)
	}
	return nil
}
