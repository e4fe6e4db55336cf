package reqfile

import (
	"fmt"
	"slices"
	"strings"
)

// optionNames are the long options that pip accepts in a requirements file (pip,
// req_file.py, SUPPORTED_OPTIONS and SUPPORTED_OPTIONS_REQ).
func optionNames() []string {
	return []string{
		"--hash", "--index-url", "--pypi-url", "--extra-index-url", "--no-index", "--constraint",
		"--requirement", "--editable", "--find-links", "--no-binary", "--only-binary",
		"--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre",
		"--all-releases", "--only-final", "--trusted-host", "--use-feature",
		"--config-settings", "--config-setting",
	}
}

// takesValue says which of them have an argument.
func takesValue(name string) bool {
	switch name {
	case "--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre":
		return false
	}
	return true
}

// canonical maps pip's short and second names to the first long ones.
func canonical(name string) string {
	switch name {
	case "-r":
		return "--requirement"
	case "-c":
		return "--constraint"
	case "-e":
		return "--editable"
	case "-i", "--pypi-url":
		return "--index-url"
	case "-f":
		return "--find-links"
	case "-C", "--config-setting":
		return "--config-settings"
	}
	return name
}

// long finds an option as Python's optparse does: exactly, or by an unambiguous
// abbreviation.
func long(name string) (string, error) {
	var found []string
	for _, k := range optionNames() {
		switch {
		case k == name:
			return k, nil
		case strings.HasPrefix(k, name):
			found = append(found, k)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("pip knows no option %q in a requirements file", name)
	}
	slices.Sort(found)
	return "", fmt.Errorf("ambiguous option %q (%s?)", name, strings.Join(found, ", "))
}

// option is one parsed option.
type option struct {
	name, value string
	start, end  int // of the whole option in the logical line
	vstart      int // of its value
}

// optparse reads options as Python's optparse does: "--name value",
// "--name=value", "-nvalue", abbreviations; words that are no options are
// passed over and "--" ends it. The first error ends pip's reading of the file.
func optparse(toks []token) (out []option, bad token, err error) {
	for i := 0; i < len(toks); i++ {
		t := toks[i]
		switch {
		case t.text == "--":
			return out, token{}, nil
		case len(t.text) < 2 || t.text[0] != '-':
			continue
		}
		var name, value string
		has, needs := false, true
		if strings.HasPrefix(t.text, "--") {
			name, value, has = strings.Cut(t.text, "=")
			full, err := long(name)
			if err != nil {
				return out, t, err
			}
			if needs = takesValue(full); !needs && has {
				return out, t, fmt.Errorf("option %s takes no value", full)
			}
			name = full
		} else {
			name = t.text[:2]
			if canonical(name) == name {
				return out, t, fmt.Errorf("pip knows no option %q in a requirements file", name)
			}
			value, has = t.text[2:], len(t.text) > 2
		}
		vstart := t.end - len(value)
		if needs && !has {
			if i+1 == len(toks) {
				return out, t, fmt.Errorf("option %s needs a value", canonical(name))
			}
			i++
			value, vstart = toks[i].text, toks[i].start
		}
		out = append(out, option{canonical(name), value, t.start, toks[i].end, max(vstart, t.start)})
	}
	return out, token{}, nil
}
