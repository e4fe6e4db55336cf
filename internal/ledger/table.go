package ledger

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table prints records for people, newest first: one line each.
func Table(w io.Writer, recs []Record) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "#\tenvironment\twhat\tdigest\twhen\tnote")
	for _, r := range recs {
		what := string(r.Kind)
		switch {
		case r.Phase == Failed:
			what += " refused"
		case r.Phase == Intent && r.Canary:
			what += " (canary runs)"
		case r.Phase == Intent:
			what += " (under way)"
		}
		note := r.Reason
		if r.Held != nil && note == "" {
			note = "held: " + r.Held.Reason
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", r.Seq, r.Environment, what, Short(r.Digest), r.At.UTC().Format("2006-01-02 15:04:05Z"), oneLine(note))
	}
	return t.Flush()
}

// Short abbreviates a digest as people know it: sha256:4be1…9c20.
func Short(digest string) string {
	algo, hex, ok := strings.Cut(digest, ":")
	if !ok || len(hex) < 12 {
		if digest == "" {
			return "none"
		}
		return digest
	}
	return algo + ":" + hex[:4] + "…" + hex[len(hex)-4:]
}

// oneLine keeps a note, which comes from anywhere, in its row.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
