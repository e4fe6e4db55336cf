// Command copy writes rewritten copies of workflows into a folder: copy FOLDER FILE…
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fairlead-ci/fairlead/e2e/rewrite"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: copy FOLDER FILE…")
		os.Exit(2)
	}
	for _, file := range os.Args[2:] {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(os.Args[1], filepath.Base(file)), rewrite.Workflow(text, rewrite.Options{}), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "copy:", err)
			os.Exit(1)
		}
	}
}
