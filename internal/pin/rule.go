package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

// Rule is one thing that can be wrong, as documentation and SARIF describe it.
type Rule struct {
	ID       string
	Severity finding.Severity
	// Title is one line: what the rule finds.
	Title string
	// OptIn rules are off until Config.Severity turns them on.
	OptIn bool
}

// rule is a Rule with its judgement of one kind of subject.
type rule[T any] struct {
	Rule
	// check says what is wrong with a subject, nil if nothing is.
	check func(T) *complaint
}

// complaint is what a rule has against a subject.
type complaint struct {
	message, hint string
	context       []string
	// severity replaces the rule's where a case is better or worse than usual.
	severity finding.Severity
	// state is what the complaint makes of the subject; "" leaves it as it is.
	state State
	// by is set with the state Pinned: what pins it nevertheless.
	by string
	// at replaces the subject's place.
	at *place
}

// place is a range of a file, in lines and columns.
type place struct {
	path                       string
	line, col, endLine, endCol int
}

// Rules lists all rules, in the order of their families.
func Rules() []Rule {
	var out []Rule
	out = append(out, infos(requirementRules())...)
	out = append(out, infos(manifestRules())...)
	out = append(out, infos(lockedRules())...)
	out = append(out, infos(freshnessRules())...)
	out = append(out, infos(actionRules())...)
	out = append(out, infos(imageRules())...)
	out = append(out, infos(downloadRules())...)
	out = append(out, infos(commandRules())...)
	out = append(out, infos(projectRules())...)
	out = append(out, infos(buildRules())...)
	out = append(out, infos(featureRules())...)
	out = append(out, infos(installedRules())...)
	out = append(out, infos(inlineRules())...)
	out = append(out, onlineRules()...)
	return append(out, pythonUnparsable(), pythonBadHash(), pythonWeakHash(), lockUnparsable(), lockIncomplete(), actionLockInvalid(), actionLockStale(), workflowUnparsable(), composeUnparsable(), devcontainerUnparsable(), dockerUnparsable(), dockerTemplate(),
		fileUnreadable(), fileSymlink(), fileLimit(), policyReason(), policyUnused(), policyExpired())
}

func infos[T any](rules []rule[T]) []Rule {
	out := make([]Rule, len(rules))
	for i, r := range rules {
		out[i] = r.Rule
	}
	return out
}
