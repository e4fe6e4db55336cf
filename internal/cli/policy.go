package cli

import (
	"fmt"

	"github.com/fairlead-ci/fairlead/internal/config"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/pin"
)

// policyKeys are settings of pin-check that are no flags: they are too long for
// a command line, and belong under review.
func policyKeys() []string { return []string{"severity", "exceptions"} }

// policyOf reads severities and exceptions from the settings file.
func policyOf(f *config.File, cfg *pin.Config) error {
	if f == nil {
		return nil
	}
	if v, ok := f.Tools["pin-check"]["severity"]; ok {
		table, ok := v.Any.(map[string]any)
		if !ok {
			return failure.New(failure.Usage, `severity = { "python/no-hash" = "error" }`, "%s: severity is not a table", f.At(v))
		}
		cfg.Severity = map[string]string{}
		for rule, to := range table {
			cfg.Severity[rule] = fmt.Sprint(to)
		}
	}
	v, ok := f.Tools["pin-check"]["exceptions"]
	if !ok {
		return nil
	}
	list, ok := v.Any.([]any)
	if !ok {
		return failure.New(failure.Usage, `exceptions = [{ rule = "…", reason = "…" }]`, "%s: exceptions is not a list of tables", f.At(v))
	}
	for i, item := range list {
		table, ok := item.(map[string]any)
		if !ok {
			return failure.New(failure.Usage, `{ rule = "…", reason = "…" }`, "%s: exception %d is not a table", f.At(v), i+1)
		}
		e, err := pin.NewException(table, f.Path, v.Line)
		if err != nil {
			return err
		}
		cfg.Exceptions = append(cfg.Exceptions, e)
	}
	return nil
}
