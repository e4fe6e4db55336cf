// Package rewrite makes a copy of our workflows that tools understand which do
// not know the platform's newest words yet: act rejects `$/`, concurrency.queue
// and environment.deployment, actionlint `$/` and concurrency.queue. What users
// get is never the copy.
package rewrite

import (
	"bufio"
	"bytes"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// Options say how a workflow is rewritten.
type Options struct {
	// SHA makes "$/x" "fairlead-ci/fairlead/x@SHA"; without it "./x".
	SHA string
	// Env is added to every job; "{job}" in a value stands for the job's id.
	Env map[string]string
}

var (
	self = regexp.MustCompile(`^(\s*(?:- )?uses: )\$/(\S*)(.*)$`)
	gone = regexp.MustCompile(`^\s+(queue: max|deployment: false|artifact-metadata: \w+)(\s+#.*)?$`)
	job  = regexp.MustCompile(`^  ([A-Za-z_][A-Za-z0-9_-]*):\s*$`)
	runs = regexp.MustCompile(`^    runs-on: `)
)

// Workflow rewrites the text of one workflow, line by line, so that its lines
// stay recognisable.
func Workflow(text []byte, o Options) []byte {
	var out bytes.Buffer
	in, id := false, ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "jobs:") {
			in = true
		}
		if m := job.FindStringSubmatch(line); in && m != nil {
			id = m[1]
		}
		if gone.MatchString(line) {
			continue
		}
		if m := self.FindStringSubmatch(line); m != nil {
			line = m[1] + "./" + m[2] + m[3]
			if o.SHA != "" {
				line = m[1] + strings.TrimSuffix("fairlead-ci/fairlead/"+m[2], "/") + "@" + o.SHA + m[3]
			}
		}
		fmt.Fprintln(&out, line)
		if in && len(o.Env) > 0 && runs.MatchString(line) {
			fmt.Fprintln(&out, "    env:")
			names := make([]string, 0, len(o.Env))
			for name := range o.Env {
				names = append(names, name)
			}
			sort.Strings(names)
			for _, name := range names {
				fmt.Fprintf(&out, "      %s: %q\n", name, strings.ReplaceAll(o.Env[name], "{job}", id))
			}
		}
	}
	return out.Bytes()
}
