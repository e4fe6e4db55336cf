package image

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/junit"
)

// junitPath is where tests leave their report inside the container.
const junitPath = "/tmp/fairlead-junit.xml"

// collecting runs the tests and then prints their report behind a mark, since
// nothing else leaves the container: no volume, and no network.
const collecting = `import base64,subprocess,sys
mark,path,most,*cmd=sys.argv[1:]
code=subprocess.call(cmd)
sys.stdout.flush()
try: data=open(path,"rb").read(int(most)+1)
except OSError: data=b""
print(); print(mark+base64.b64encode(data).decode(),flush=True)
sys.exit(code if code>=0 else 128-code)`

// reported is a test command that leaves a report, and the mark that announces it.
func reported(command []string) (wrapped []string, mark string) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	mark = "fairlead-junit-" + hex.EncodeToString(b[:]) + ":"
	command = slices.Clone(command)
	// pytest needs to be told; whatever else gets FAIRLEAD_JUNIT.
	base := path.Base(command[0])
	isModule := strings.HasPrefix(base, "python") && len(command) > 2 && command[1] == "-m" && command[2] == "pytest"
	named := slices.ContainsFunc(command, func(w string) bool { return strings.HasPrefix(w, "--junit") })
	if (base == "pytest" || isModule) && !named {
		command = append(command, "--junitxml="+junitPath)
	}
	return append([]string{"/" + venvDir + "/bin/python", "-c", collecting, mark, junitPath, "16777216"}, command...), mark
}

// splitter passes output on and keeps what stands behind the mark.
type splitter struct {
	to     io.Writer
	mark   []byte
	at     int  // how much of the mark was seen
	inLine bool // the line began with something else
	keep   bool
	data   bytes.Buffer
}

// Write implements io.Writer.
func (s *splitter) Write(p []byte) (int, error) {
	var out []byte
	for _, b := range p {
		switch {
		case s.keep && b == '\n':
			s.keep = false
		case s.keep:
			if s.data.Len() < 2*junit.MaxSize {
				s.data.WriteByte(b)
			}
		case !s.inLine && b == s.mark[s.at]:
			if s.at++; s.at == len(s.mark) {
				s.keep, s.at = true, 0
				s.data.Reset()
			}
		default:
			out = append(append(out, s.mark[:s.at]...), b)
			s.at, s.inLine = 0, b != '\n'
		}
	}
	if len(out) > 0 {
		if _, err := s.to.Write(out); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// report is the collected report, and its bytes.
func (s *splitter) report() (*junit.Report, []byte, error) {
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s.data.String()))
	if err != nil {
		return nil, nil, errors.New("the tests ended before their report could be read")
	}
	if len(data) == 0 {
		return nil, nil, errors.New("the tests left no report; a runner other than pytest has to write one to $FAIRLEAD_JUNIT")
	}
	r, err := junit.Parse(data)
	return r, data, err
}
