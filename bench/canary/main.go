// Command canary simulates canary-gate and the tools people use today on the same
// traffic, and writes README.md beside it: how often each raises a false alarm,
// and how soon it sees what is wrong. Seeds are fixed: the same program prints the
// same page.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	dir := flag.String("out", "bench/canary", "folder to write README.md and plots to; empty for none")
	scale := flag.Float64("scale", 1, "share of the runs to simulate")
	only := flag.String("only", "", "name of the one section to simulate and print, such as latency")
	flag.Parse()
	start := time.Now()
	p := &page{runs: func(n int) int { return max(20, int(float64(n)**scale)) }, plots: map[string]string{},
		cal: &calibration{runs: 8000}, say: func(s string) { fmt.Fprintf(os.Stderr, "%6.0f s  %s\n", time.Since(start).Seconds(), s) }}
	for _, section := range []struct {
		name string
		run  func()
	}{{"false-alarms", p.falseAlarms}, {"hostile", p.hostile}, {"detection", p.detection}, {"passes", p.passes}, {"often", p.often},
		{"latency", p.latency}, {"latency-same", p.latencySame}, {"spells", p.spells}, {"both", p.both}, {"dispersion", p.dispersion}, {"gauges", p.gauges}} {
		if *only == "" || *only == section.name {
			section.run()
		}
	}
	if *only != "" {
		fmt.Print(strings.Join(p.sections, "\n\n"), "\n", p.verdicts())
		return
	}
	text := p.write()
	fmt.Print(p.verdicts())
	if *dir != "" {
		if err := save(*dir, text, p.plots); err != nil {
			fmt.Fprintln(os.Stderr, "bench-canary:", err)
			os.Exit(1)
		}
	}
	if !p.kept() {
		fmt.Fprintln(os.Stderr, "bench-canary: a promise is not kept")
		os.Exit(1)
	}
}

func save(dir, text string, plots map[string]string) error {
	if err := os.MkdirAll(filepath.Join(dir, "plots"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte(text), 0o644); err != nil {
		return err
	}
	for name, svg := range plots {
		if err := os.WriteFile(filepath.Join(dir, "plots", name+".svg"), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// page gathers what the sections find.
type page struct {
	runs     func(int) int
	cal      *calibration
	say      func(string)
	sections []string
	promises []promise
	plots    map[string]string
}

func (p *page) section(title string, paragraphs ...string) {
	p.sections = append(p.sections, "## "+title+"\n\n"+strings.Join(paragraphs, "\n\n"))
}

// promise is one line of what must be shown.
type promise struct {
	what, got string
	kept      bool
	// shown promises nothing: a figure that belongs beside one that does.
	shown bool
}

func (p *page) show(what, got string, args ...any) {
	p.promises = append(p.promises, promise{what, fmt.Sprintf(got, args...), true, true})
}

func (p *page) promise(kept bool, what, got string, args ...any) {
	p.promises = append(p.promises, promise{what, fmt.Sprintf(got, args...), kept, false})
}

func (p *page) kept() bool {
	for _, x := range p.promises {
		if !x.kept {
			return false
		}
	}
	return true
}

func (p *page) verdicts() string {
	t := table{head: []string{"must show", "measured", "kept"}}
	for _, x := range p.promises {
		word := "yes"
		switch {
		case x.shown:
			word = "shown"
		case !x.kept:
			word = "**no**"
		}
		t.add(x.what, x.got, word)
	}
	return strings.Replace(t.String(), "| ---: | ---: |", "| --- | --- |", 1)
}

func (p *page) write() string {
	return `# canary-gate and its peers, simulated

Written by ` + "`make bench-canary`" + ` (seeds fixed; about half an hour of one core). Requests arrive as a Poisson process; per tick of 15 seconds and side, failed and good
requests are counted; a run is an hour, 240 ticks. "100/10" means 100 requests per second in total, 10 % of them to the canary. Medians are in minutes; "(x)" is the share of
runs in percent that came to an answer within the hour, where it is below 99.5. All judges see the same requests.

- **default**: canary-gate as it is shipped, with an hour of the baseline's history: the lag rule is on, the evidence is divided by a dispersion only where the history rejects
  that errors are independent (one-sided, 1 %), the prior comes from the history. **calibrated**: the same with a threshold calibrated for an hour of looking (` + "`--horizon`" + `).
- **bare**: the engine alone, without history, lag rule or dispersion.
- **Kayenta**: its Mann-Whitney judge over the error rate of each minute, once at the end of the hour and again every minute from the fifth. **Flagger**: five minutes above 1 % errors
  (p99 above 500 ms). **Argo**: success below 95 % in more than three stretches of five minutes, as in its documentation. **z-test**: pooled proportions, once, and every minute
  at a sixtieth of the level (Bonferroni). **SPRT**: knows both error rates beforehand; nobody can be faster.

## What must be shown

` + p.verdicts() + "\n" + strings.Join(p.sections, "\n") + "\n"
}
