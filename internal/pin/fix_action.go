package pin

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/workflow"
)

// fixAction writes the commit that a tag or branch names, with the version behind
// it as a comment; where the commit stands already, only the comment.
func (c *checker) fixAction(a askedAction, f *fixed) (*finding.Fix, error) {
	got := c.answers.refs[fold(a.use.repository)]
	if got.err != nil {
		return nil, got.err
	}
	commit, version := strings.ToLower(a.use.ref), ""
	switch {
	case sha1Hex.MatchString(a.use.ref):
		if version = bestTag(got.value, commit, ""); version == "" {
			return nil, fmt.Errorf("no tag of the repository is this commit")
		}
	case !a.use.hasRef:
		return nil, fmt.Errorf("no version is written; write the one you want")
	default:
		var ok bool
		if commit, ok = got.value.commit(a.use.ref); !ok {
			return nil, fmt.Errorf("the repository has no branch or tag %q", a.use.ref)
		}
		if !sha1Hex.MatchString(commit) {
			return nil, fmt.Errorf("the answer %q is no commit", commit)
		}
		if version = bestTag(got.value, commit, a.use.ref); version == "" {
			version = a.use.ref
		}
	}
	at, err := f.find(a.at, a.use.Ref)
	if err != nil {
		return nil, err
	}
	ref := finding.Edit{Path: a.at.path, Start: at + len(a.use.Ref) - len(a.use.ref), End: at + len(a.use.Ref), Text: commit}
	var edits []finding.Edit
	if !strings.EqualFold(commit, a.use.ref) {
		edits = append(edits, ref)
	}
	with := append(edits[:len(edits):len(edits)], f.comment(a, at+len(a.use.Ref), version))
	wanted := strings.TrimSuffix(a.use.Ref, a.use.ref) + commit
	for _, try := range [][]finding.Edit{with, edits} { // not everywhere a comment can stand
		if len(try) > 0 && f.keeps(a, try, wanted) {
			return &finding.Fix{Description: fmt.Sprintf("write the commit that %s@%s is", a.use.repository, version), Edits: try}, nil
		}
	}
	return nil, errWritten
}

// comment is the edit that writes the version into the comment behind a use:
// the version of the comment if it begins with one, else in front of it.
func (f *fixed) comment(a askedAction, from int, version string) finding.Edit {
	end := from
	for end < len(f.data) && f.data[end] != '\n' && f.data[end] != '\r' {
		end++
	}
	rest := string(f.data[from:end])
	hash := -1
	for i := range rest {
		if rest[i] == '#' && i > 0 && (rest[i-1] == ' ' || rest[i-1] == '\t') {
			hash = i
			break
		}
	}
	if hash < 0 {
		blank := len(rest) - len(strings.TrimRight(rest, " \t"))
		return finding.Edit{Path: a.at.path, Start: end - blank, End: end, Text: " # " + version}
	}
	if old := versionIn(a.use.Comment); old != "" {
		i := hash + strings.Index(rest[hash:], old)
		return finding.Edit{Path: a.at.path, Start: from + i, End: from + i + len(old), Text: version}
	}
	return finding.Edit{Path: a.at.path, Start: from + hash, End: from + hash, Text: "# " + version + " "}
}

// flow is a workflow or an action as it was read, and how; without a file it is
// neither.
type flow struct {
	read func([]byte) (*workflow.File, error)
	file *workflow.File
}

func readFlow(data []byte) *flow {
	for _, read := range []func([]byte) (*workflow.File, error){workflow.ReadWorkflow, workflow.ReadAction} {
		if file, err := read(data); err == nil {
			return &flow{read, file}
		}
	}
	return &flow{}
}

// keeps says whether edits change the one use, into what is wanted, and nothing
// else that the file says: a comment in the middle of a scalar would.
func (f *fixed) keeps(a askedAction, edits []finding.Edit, wanted string) bool {
	after, err := finding.Apply(f.data, edits)
	if err != nil {
		return false
	}
	if f.flow == nil {
		f.flow = readFlow(f.data)
	}
	old := f.flow.file
	if old == nil {
		return false
	}
	now, err := f.flow.read(after)
	if err != nil || len(now.Uses) != len(old.Uses) || len(now.Images) != len(old.Images) || len(now.Scripts) != len(old.Scripts) {
		return false
	}
	changed := 0
	for i, u := range now.Uses {
		if u.Ref == old.Uses[i].Ref && (u.Ref != wanted || u.Comment == old.Uses[i].Comment) {
			continue
		}
		if changed++; u.Ref != wanted {
			return false
		}
	}
	for i, s := range now.Scripts {
		if s.Text != old.Scripts[i].Text {
			return false
		}
	}
	return changed > 0 && bytes.Count(after, []byte("\n")) == bytes.Count(f.data, []byte("\n"))
}
