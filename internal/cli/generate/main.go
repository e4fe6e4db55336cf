// Command generate writes the files that come from the command definitions:
// action.yml files, what starts them, and the reference tables of docs/.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fairlead-ci/fairlead/internal/cli"
)

func main() {
	if err := generate("../.."); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(root string) error {
	files, err := cli.Generated(func(p string) ([]byte, error) { return os.ReadFile(filepath.Join(root, p)) })
	if err != nil {
		return err
	}
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
