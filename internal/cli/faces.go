package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

//go:generate go run ./generate

// face is what a user of GitHub Actions sees of a command, beyond its inputs.
type face struct {
	tool        string
	description string
	icon, color string // Marketplace branding
	outputs     []output
	permissions []permission
}

// output is a step output of a command.
type output struct{ name, help string }

// permission is what a job's token needs for a command, and what for.
type permission struct{ scope, level, why string }

// faces lists the commands that are actions, in the order of the chain.
func faces() []face {
	read := permission{"contents", "read", "to check the repository out"}
	verdict := output{"verdict", "pass or fail."}
	ledger := permission{"contents", "write", "to write the ledger, a branch of the repository"}
	deployments := permission{"deployments", "write", "to record the deployment (left out, it is only said in the log)"}
	runs := permission{"actions", "read", "in a private repository: to see that the run which left an intent behind was cancelled (left out, its intent keeps others out for two hours or until it is taken back)"}
	packages := permission{"packages", "write", "for an image on ghcr.io: to publish it and to move its tags"}
	checks := permission{"checks", "write", "to write a check run with all findings (left out, there are annotations and the summary)"}
	promoted := []output{verdict,
		{"digest", "The digest that the environment is about."}, {"previous", "The digest that ran before; empty for a first release."},
		{"seq", "Number of the ledger entry."}, {"run", "The run that the entry belongs to."}, {"host", "The ssh host of the target; empty for this machine."}, {"first", "true when nothing ran there before."},
		{"url", "Address of the running release, where the target knows it."}, {"baseline-url", "With canary: address of the running release."},
		{"canary-url", "With canary: address of the canary."}}
	counts := []output{verdict, {"errors", "Number of errors."}, {"warnings", "Number of warnings."}, {"sarif", "The SARIF file, if one was asked for: upload it with github/codeql-action/upload-sarif."}}
	return []face{
		{"check", "Is this change deployable? Its inputs are pinned, and an image can be built of it; one status for pull requests.", "check-circle", "blue",
			[]output{{"verdict", "pass, fail or inconclusive."}, counts[1], counts[2], counts[3]}, []permission{read, checks}},
		{"pin-check", "Say whether every input of the build is pinned: Python requirements and locks, base images, actions.", "anchor", "blue",
			counts, []permission{read, checks}},
		{"build-image", "Turn a locked Python project into a reproducible OCI image, test inside it, publish what passed.", "package", "blue",
			[]output{verdict, {"image", "The repository."}, {"digest", "The image's digest, sha256:…"}, {"ref", "repository@digest, as promote takes it."}, {"tags", "The tags that were set, one per line."},
				{"imageid", "The image's ID, the digest of its configuration; with several platforms the index's digest."}, {"metadata", "Digest, image ID and names as JSON, as docker/build-push-action has it."}, {"sbom", "The bills of materials that were written, one file per line."}},
			[]permission{read, packages}},
		{"junit", "Merge test reports in JUnit XML, such as those of shards, into one result.", "check-square", "blue",
			[]output{verdict, {"tests", "Number of tests."}, {"failures", "Number that failed."}, {"skipped", "Number that were skipped."}}, []permission{checks}},
		{"promote", "Move one image digest into an environment, or take a canary back; writes the ledger.", "chevrons-up", "blue", promoted, []permission{ledger, packages, deployments, runs}},
		{"rollback", "Return an environment to its previous good digest, and hold it there.", "rewind", "blue", promoted, []permission{ledger, packages, deployments, runs}},
		{"hold", "Stop automatic promotions into an environment.", "pause", "blue", promoted, []permission{ledger, runs}},
		{"unhold", "Let automatic promotions into an environment again.", "play", "blue", promoted, []permission{ledger, runs}},
		{"canary-gate", "Compare a canary with its baseline while traffic flows: pass, fail or inconclusive, as early as the numbers allow.", "activity", "blue",
			[]output{{"verdict", "pass, fail or inconclusive."}, {"reason", "Why, in a word."}, {"decided-after-seconds", "When the verdict was clear."}}, nil},
	}
}

func faceOf(tool string) (face, bool) {
	all := faces()
	i := slices.IndexFunc(all, func(f face) bool { return f.tool == tool })
	if i < 0 {
		return face{}, false
	}
	return all[i], true
}

// input is a flag or an argument as an action's input.
type input struct {
	name, help, def string
	required        bool
}

// tokenInput is the one input that no flag has: a token on a command line would
// be readable for every other process.
func tokenInput() input {
	return input{name: "github-token", help: "Token for GitHub's API and the ledger's git: the job's own, github.token, or that of a GitHub App. Without it nothing is reported to GitHub beyond annotations and the summary."}
}

// inputs lists what a command takes, positional arguments first.
func inputs(n *kong.Node) []input {
	var out []input
	for _, p := range n.Positional {
		out = append(out, inputOf(p, !p.Required))
	}
	for _, f := range n.Flags {
		if !slices.Contains([]string{"help", "version"}, f.Name) && !f.Hidden {
			out = append(out, inputOf(f.Value, true))
		}
	}
	out = append(out, tokenInput())
	for _, f := range n.Parent.Flags {
		if f.Name == "settings" {
			out = append(out, inputOf(f.Value, true))
		}
	}
	return out
}

func inputOf(v *kong.Value, optional bool) input {
	in := input{name: v.Name, help: strings.TrimSuffix(v.Help, "."), required: !optional || v.Required}
	if v.HasDefault {
		in.def = v.Default
	}
	in.help = strings.TrimSuffix(strings.TrimSuffix(in.help, " Repeatable"), ".") + "."
	switch {
	case v.IsBool():
		in.help += " true or false."
		in.def = "false"
	case v.IsSlice() && v.Tag.Sep == -1:
		in.help += " Several: one per line."
	case v.IsSlice():
		in.help += " Several: one per line, or separated by commas."
	case v.Target.Type() == reflect.TypeFor[time.Duration]():
		in.help += " A duration such as 90s or 15m."
	case v.Enum != "":
		var words []string
		for _, w := range v.EnumSlice() {
			if w != "" {
				words = append(words, w)
			}
		}
		in.help += " One of: " + strings.Join(words, ", ") + "."
	}
	return in
}

// grammar is the model of all commands.
func grammar() (*kong.Application, error) {
	parser, err := kong.New(&root{}, kong.Name("fairlead"), kong.Vars{"version": ""}, kong.Writers(io.Discard, io.Discard))
	if err != nil {
		return nil, err
	}
	return parser.Model, nil
}

// Generated returns the files that are written from the command definitions, by
// path relative to the repository: the action.yml of every face and what starts
// it. old reads a file that has parts of its own, such as a page of docs.
func Generated(old func(path string) ([]byte, error)) (map[string][]byte, error) {
	app, err := grammar()
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	pages := map[string][]byte{}
	for _, f := range faces() {
		i := slices.IndexFunc(app.Children, func(n *kong.Node) bool { return n.Name == f.tool })
		if i < 0 {
			return nil, fmt.Errorf("face %q has no command", f.tool)
		}
		ins := inputs(app.Children[i])
		out["actions/"+f.tool+"/action.yml"] = actionYAML(f, ins, "../../")
		if f.tool == "check" {
			out["action.yml"] = actionYAML(f, ins, "")
		}
		out["bootstrap/"+f.tool+".js"] = []byte("// Generated by go generate; do not edit.\nrequire(\"./run.js\").main(\"" + f.tool + "\");\n")
		if err := document(pages, f, ins, old); err != nil {
			return nil, err
		}
	}
	for p, text := range pages {
		out[p] = text
	}
	return out, nil
}

// quote is s as a YAML double-quoted scalar, which JSON's strings are.
func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}

// actionYAML is a face's metadata file. It has no defaults: an input's default
// would hide the settings file, and stands in the description instead.
func actionYAML(f face, ins []input, up string) []byte {
	var b strings.Builder
	b.WriteString("# Generated from the command definitions by go generate; do not edit.\n")
	title := "Fairlead " + f.tool
	if up == "" {
		title = "Fairlead"
	}
	fmt.Fprintf(&b, "name: %s\ndescription: %s\nauthor: Fairlead\n", quote(title), quote(f.description))
	fmt.Fprintf(&b, "branding:\n  icon: %s\n  color: %s\ninputs:\n", f.icon, f.color)
	for _, in := range ins {
		help := in.help
		if in.def != "" && in.def != "false" {
			help += " Default: " + in.def + "."
		}
		fmt.Fprintf(&b, "  %s:\n    description: %s\n    required: %v\n", in.name, quote(help), in.required)
	}
	b.WriteString("outputs:\n")
	for _, o := range f.outputs {
		fmt.Fprintf(&b, "  %s:\n    description: %s\n", o.name, quote(o.help))
	}
	fmt.Fprintf(&b, "runs:\n  using: node24\n  main: %sbootstrap/%s.js\n", up, f.tool)
	return []byte(b.String())
}
