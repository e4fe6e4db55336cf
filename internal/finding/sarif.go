package finding

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
)

// RuleInfo describes a rule to a reader of SARIF.
type RuleInfo struct {
	ID       string
	Severity Severity
	// Title is one line: what the rule finds.
	Title string
}

// SARIF renders findings as SARIF 2.1.0 (OASIS), in the subset that GitHub's
// code scanning reads.
type SARIF struct {
	Tool    string // "fairlead pin-check"
	Version string
	// Docs is the URL under which the rules' pages are found, with its slash.
	Docs  string
	Rules []RuleInfo
	// Source is as in Text; it turns columns of bytes into those of characters.
	Source func(path string) []byte
}

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations,omitempty"`
	ColumnKind  string            `json:"columnKind"`
	Results     []sarifResult     `json:"results"` // the last: there are many
}

type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Notifications []sarifNotification `json:"toolExecutionNotifications"`
}

type sarifNotification struct {
	Level   string    `json:"level"`
	Message sarifText `json:"message"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri,omitempty"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID               string       `json:"id"`
	ShortDescription sarifText    `json:"shortDescription"`
	HelpURI          string       `json:"helpUri,omitempty"`
	Help             sarifText    `json:"help"`
	Default          sarifDefault `json:"defaultConfiguration"`
}

type sarifDefault struct {
	Level string `json:"level"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        string            `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Fingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI       string `json:"uri"`
	URIBaseID string `json:"uriBaseId"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn,omitempty"`
	EndLine     int `json:"endLine,omitempty"`
	EndColumn   int `json:"endColumn,omitempty"`
}

// Write prints one SARIF log with one run.
func (s SARIF) Write(w io.Writer, fs []Finding) error {
	rules := slices.Clone(s.Rules)
	for _, f := range fs {
		if !slices.ContainsFunc(rules, func(r RuleInfo) bool { return r.ID == f.Rule }) {
			rules = append(rules, RuleInfo{ID: f.Rule, Severity: f.Severity, Title: f.Rule})
		}
	}
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: s.Tool, Version: s.Version, Rules: []sarifRule{}}
	for _, r := range rules {
		page := Page(s.Docs, r.ID)
		rule := sarifRule{ID: r.ID, ShortDescription: sarifText{r.Title}, Help: sarifText{r.Title + "; see " + page}}
		if strings.Contains(s.Docs, "://") {
			rule.HelpURI = page
		}
		rule.Default.Level = string(r.Severity)
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
	}
	if n := len(fs) - maxResults; n > 0 {
		fs = worst(fs, maxResults)
		run.Invocations = []sarifInvocation{{true, []sarifNotification{{"warning", sarifText{
			fmt.Sprintf("%s left out: GitHub takes %d of a run, and these are the worst", Plural(n, "finding"), maxResults)}}}}}
	}
	return writeLastList(w, sarifLog{sarifSchema, "2.1.0", []sarifRun{run}}, 3, func(yield func(any) bool) {
		src := newSources(s.Source)
		seen := map[string]int{}
		for _, f := range fs {
			if !yield(s.result(f, rules, src.of(f.Path), seen)) {
				return
			}
		}
	})
}

// maxResults is how many results of a run GitHub takes; a log with more it
// refuses as a whole.
const maxResults = 25000

// worst are the n worst findings, in the order of all.
func worst(fs []Finding, n int) []Finding {
	room := map[int]int{} // by rank
	for _, f := range fs {
		room[f.Severity.Rank()]++
	}
	for _, s := range []Severity{Error, Warning, Note} {
		room[s.Rank()] = min(room[s.Rank()], n)
		n -= room[s.Rank()]
	}
	out := make([]Finding, 0, maxResults)
	for _, f := range fs {
		if room[f.Severity.Rank()] > 0 {
			room[f.Severity.Rank()]--
			out = append(out, f)
		}
	}
	return out
}

func (s SARIF) result(f Finding, rules []RuleInfo, src *Lines, seen map[string]int) sarifResult {
	r := sarifResult{RuleID: f.Rule, Level: string(f.Severity)}
	r.RuleIndex = slices.IndexFunc(rules, func(r RuleInfo) bool { return r.ID == f.Rule })
	r.Message.Text = Printable(f.Message)
	if f.Hint != "" {
		r.Message.Text += "\n" + Printable(f.Hint)
	}
	loc := sarifLocation{sarifPhysical{Artifact: sarifArtifact{(&url.URL{Path: f.Path}).EscapedPath(), "%SRCROOT%"}}}
	line := ""
	if f.Line > 0 {
		reg := sarifRegion{f.Line, f.Column, f.EndLine, f.EndColumn}
		if src != nil {
			line = src.Line(f.Line)
			reg.StartColumn = src.characterColumn(f.Line, f.Column)
			reg.EndColumn = src.characterColumn(f.EndLine, f.EndColumn)
		}
		loc.Physical.Region = &reg
	}
	r.Locations = []sarifLocation{loc}
	r.Fingerprints = map[string]string{"primaryLocationLineHash": fingerprint(f, line, seen)}
	return r
}

// fingerprint names a finding across commits: by rule, file and the text of its
// line, not its number; equal ones are counted.
func fingerprint(f Finding, line string, seen map[string]int) string {
	sum := sha256.Sum256([]byte(f.Rule + "\x00" + f.Path + "\x00" + strings.Join(strings.Fields(line), " ")))
	key := hex.EncodeToString(sum[:8])
	seen[key]++
	return fmt.Sprintf("%s:%d", key, seen[key])
}
