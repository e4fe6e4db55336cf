package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// page is the page of docs that a face's reference stands on.
func (f face) page() string {
	switch f.tool {
	case "rollback", "hold", "unhold":
		return "docs/promote.md"
	case "junit":
		return "docs/build-image.md"
	}
	return "docs/" + f.tool + ".md"
}

// document writes a face's tables between the markers of its page.
func document(pages map[string][]byte, f face, ins []input, old func(string) ([]byte, error)) error {
	page := f.page()
	text, ok := pages[page]
	if !ok {
		var err error
		if text, err = old(page); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	begin, end := "<!-- reference "+f.tool+" (generated) -->", "<!-- end "+f.tool+" -->"
	table := begin + "\n" + reference(f, ins) + end
	s := string(text)
	i, j := strings.Index(s, begin), strings.Index(s, end)
	switch {
	case i < 0 || j < i:
		s = strings.TrimRight(s, "\n") + "\n\n" + table + "\n"
	default:
		s = s[:i] + table + s[j+len(end):]
	}
	pages[page] = []byte(s)
	return nil
}

// reference is the inputs, outputs and permissions of a face.
func reference(f face, ins []input) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Inputs of %s\n\nThe same names are flags of `fairlead %s` (`--name`) and keys of `[tool.fairlead.%s]`.\n\n| input | default | |\n|---|---|---|\n", f.tool, f.tool, f.tool)
	for _, in := range ins {
		def := ""
		if in.def != "" {
			def = "`" + in.def + "`"
		}
		name := "`" + in.name + "`"
		if in.required {
			name += " (required)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, def, cell(in.help))
	}
	fmt.Fprintf(&b, "\n### Outputs of %s\n\n| output | |\n|---|---|\n", f.tool)
	for _, o := range f.outputs {
		fmt.Fprintf(&b, "| `%s` | %s |\n", o.name, cell(o.help))
	}
	if len(f.permissions) == 0 {
		b.WriteString("\nIt needs no permissions: `permissions: {}`.\n")
		return b.String()
	}
	b.WriteString("\n### Permissions of " + f.tool + "\n\n| permission | why |\n|---|---|\n")
	for _, p := range f.permissions {
		fmt.Fprintf(&b, "| `%s: %s` | %s |\n", p.scope, p.level, cell(p.why))
	}
	return b.String()
}

// cell is text inside a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(s)
}
