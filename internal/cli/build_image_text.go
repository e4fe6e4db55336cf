package cli

import (
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/ledger"
)

// buildText is the answer for people.
func buildText(w io.Writer, r *image.Result, plan bool) error {
	var b strings.Builder
	if plan {
		planText(&b, r)
		_, err := io.WriteString(w, b.String())
		return err
	}
	switch {
	case r.Verdict != finding.Pass:
		b.WriteString("build-image  FAILED  the tests failed inside the image; nothing was published\n")
	case r.Published:
		fmt.Fprintf(&b, "build-image  ok  %s@%s\n", r.Image, r.Digest)
	default:
		fmt.Fprintf(&b, "build-image  ok  %s\n", r.Digest)
	}
	for _, p := range r.Platforms {
		tested := "not tested"
		if p.Tested {
			tested = "tested"
		}
		if r.Test == nil {
			tested = fmt.Sprintf("%d wheels", len(p.Wheels))
		}
		fmt.Fprintf(&b, "  %-14s %s  %s\n", p.Platform, ledger.Short(p.Digest), tested)
	}
	fromWheels, fresh, bytes := 0, 0, int64(0)
	for _, l := range r.Layers {
		if len(l.Wheels) > 0 {
			fromWheels++
		}
		if !l.Reused {
			fresh, bytes = fresh+1, bytes+l.Size
		}
	}
	fmt.Fprintf(&b, "  %d layers, %d from wheels, %s; base %s\n", len(r.Layers), fromWheels, megabytes(r.Size), finding.Printable(r.Base.Name))
	if r.Published {
		fmt.Fprintf(&b, "  %s new (%s), %d requests, %.1f s\n", finding.Plural(fresh, "layer"), megabytes(bytes), r.Requests, r.Seconds)
	} else {
		fmt.Fprintf(&b, "  %.1f s\n", r.Seconds)
	}
	for _, x := range r.Bills {
		where := ""
		if x.Digest != "" {
			where = ", attached to the image"
		}
		fmt.Fprintf(&b, "  sbom: %s (%s, %s)%s\n", finding.Printable(x.Path), x.Format, x.Platform, where)
	}
	if t := r.Test; t != nil {
		fmt.Fprintf(&b, "  tests: %s in %.1f s, exit code %d, with %s\n", finding.Printable(strings.Join(t.Command, " ")), t.Seconds, t.ExitCode, t.Engine)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  note: %s\n", finding.Printable(n))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// planText is what would be installed, from where, for each platform.
func planText(b *strings.Builder, r *image.Result) {
	digest := ""
	if r.Base.Digest != "" {
		digest = "  " + ledger.Short(r.Base.Digest)
	}
	fmt.Fprintf(b, "build-image  plan: nothing was built\n  %-8s %s%s\n", "base", finding.Printable(r.Base.Name), digest)
	for _, name := range slices.Sorted(maps.Keys(r.Processes)) {
		fmt.Fprintf(b, "  %-8s %s\n", name, finding.Printable(r.Processes[name]))
	}
	for _, p := range r.Platforms {
		size := int64(0)
		rows := [][3]string{}
		wide := [2]int{}
		for _, c := range p.Wheels {
			size += c.Size
			row := [3]string{c.Name + "==" + c.Version, c.Tag, shortFrom(c)}
			for i := range wide {
				wide[i] = max(wide[i], len(row[i]))
			}
			rows = append(rows, row)
		}
		fmt.Fprintf(b, "\n  %s", p.Target)
		if p.System != "" {
			fmt.Fprintf(b, " (%s)", finding.Printable(p.System))
		}
		fmt.Fprintf(b, ": %d wheels", len(p.Wheels))
		if size > 0 {
			fmt.Fprintf(b, ", %s", megabytes(size))
		}
		b.WriteString("\n")
		for _, row := range rows {
			fmt.Fprintf(b, "    %-*s  %-*s  %s\n", wide[0], finding.Printable(row[0]), wide[1], row[1], finding.Printable(row[2]))
		}
		for _, name := range slices.Sorted(maps.Keys(p.Folders)) {
			fmt.Fprintf(b, "    %-*s  %-*s  %s\n", wide[0], finding.Printable(name), wide[1], "folder", finding.Printable(p.Folders[name]))
		}
		for i, g := range p.Groups {
			what := fmt.Sprintf("%d wheels", len(g.Wheels))
			if len(g.Wheels) == 1 {
				what, _, _ = strings.Cut(g.Wheels[0], "-")
			}
			fmt.Fprintf(b, "    layer %-2d  %s  %s\n", i+1, finding.Printable(what), g.Why)
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(b, "  note: %s\n", finding.Printable(n))
	}
}

// shortFrom is where a wheel comes from: the host of an index, or the folder;
// the JSON document has the whole address.
func shortFrom(c image.Choice) string {
	if _, rest, ok := strings.Cut(c.From, "://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		return host
	}
	return path.Dir(c.From)
}
