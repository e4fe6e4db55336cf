// Package sariftest holds SARIF logs against the JSON schema of SARIF 2.1.0, and
// against what GitHub's code scanning refuses. It is for tests.
package sariftest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed sarif-2.1.0-rtm.5.json
var schema []byte

// GitHub's hard limits (code scanning, "SARIF results exceed limits").
const (
	maxResults = 25000
	maxRules   = 25000
)

// Validate fails the test where a log breaks the schema or a limit.
func Validate(t testing.TB, log []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	const name = "sarif.json"
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(log))
	if err != nil {
		t.Fatalf("the log is no JSON: %v", err)
	}
	if err := s.Validate(value); err != nil {
		t.Errorf("the log breaks the schema: %v", err)
	}
	var l struct {
		Runs []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Locations []struct {
					PhysicalLocation struct {
						Region *struct{ StartLine, StartColumn, EndLine, EndColumn int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(log, &l); err != nil {
		t.Fatal(err)
	}
	for _, run := range l.Runs {
		rules := run.Tool.Driver.Rules
		if len(run.Results) > maxResults || len(rules) > maxRules {
			t.Errorf("%d results and %d rules: GitHub refuses the log", len(run.Results), len(rules))
		}
		for _, r := range run.Results {
			if r.RuleIndex < 0 || r.RuleIndex >= len(rules) || rules[r.RuleIndex].ID != r.RuleID {
				t.Errorf("the rule %s is not at %d", r.RuleID, r.RuleIndex)
			}
			for _, at := range r.Locations {
				if reg := at.PhysicalLocation.Region; reg != nil && (reg.EndLine < reg.StartLine || reg.EndLine == reg.StartLine && reg.EndColumn < reg.StartColumn) {
					t.Errorf("%s: a region ends before it begins: %+v", r.RuleID, *reg)
				}
			}
		}
	}
}
