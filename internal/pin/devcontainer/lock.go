package devcontainer

// Locked is a feature as a lock holds it.
type Locked struct {
	Key      string
	Span     Span // of the key
	Resolved string
	// Integrity is the checksum of what is downloaded: "sha256:" and 64 hex digits.
	Integrity string
}

// ReadLock reads devcontainer-lock.json (devcontainers/spec,
// devcontainer-lockfile.md): its features in their order. An empty file is an
// empty lock. The error is a *Problem.
func ReadLock(data []byte) ([]Locked, error) {
	if len(data) == 0 {
		return nil, nil
	}
	top, err := parse(data)
	if err != nil {
		return nil, err
	}
	var out []Locked
	for _, m := range top.members {
		if m.name != "features" {
			continue
		}
		for _, f := range m.value.members {
			l := Locked{Key: f.name, Span: f.span}
			for _, p := range f.value.members {
				s, _ := p.value.value.(string)
				switch p.name {
				case "resolved":
					l.Resolved = s
				case "integrity":
					l.Integrity = s
				}
			}
			out = append(out, l)
		}
	}
	return out, nil
}
