package wheel

import "strings"

// Header returns all values of a core metadata field, in order; nil: it has none.
// Names are not case-sensitive.
func (i *Installed) Header(name string) []string { return headers(i.Metadata)[strings.ToLower(name)] }
