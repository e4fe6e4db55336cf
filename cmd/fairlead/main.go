// Command fairlead takes a Python web application from commit to production.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/fairlead-ci/fairlead/internal/cli"
	"github.com/fairlead-ci/fairlead/internal/engine"
	"golang.org/x/term"
)

func main() {
	if engine.InitMain(os.Args) {
		return // we are the init process of a container of our own
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	columns := func() int {
		w, _, err := term.GetSize(int(os.Stderr.Fd()))
		if err != nil || w <= 0 {
			return 80
		}
		return w
	}
	code := cli.Run(ctx, cli.Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Terminal: term.IsTerminal(int(os.Stderr.Fd())), Width: columns,
	})
	stop()
	os.Exit(code)
}
