package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// podmanHere returns podman and the image of this test, if containers start.
func podmanHere(t *testing.T) (*CLI, string) {
	t.Helper()
	img := image(t)
	path, err := exec.LookPath("podman")
	if err != nil {
		t.Skip("NOT TESTED: podman is not on PATH")
	}
	t.Setenv("HTTPS_PROXY", "http://name:hush@192.0.2.1:1")
	c, err := NewCLI(t.Context(), path, "", os.Environ())
	if err != nil {
		t.Skipf("NOT TESTED: podman does not work: %v", err)
	}
	ref, err := c.Load(t.Context(), img, "localhost/fairlead-cli-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.RemoveImage(context.Background(), ref); err != nil {
			t.Errorf("removing the image: %v", err)
		}
	})
	if code, err := c.Run(t.Context(), Spec{Image: ref}, io.Discard, io.Discard); err != nil || code != 0 {
		t.Skipf("NOT TESTED: podman cannot run containers here (code %d, %v)", code, err)
	}
	return c, ref
}

func TestPodmanRefusals(t *testing.T) {
	c, ref := podmanHere(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sleep := []string{"/prog", "inside", "sleep"}
	first := Spec{Image: ref, Name: randomName(), Command: sleep, Publish: []Port{{HostIP: "127.0.0.1", Container: 8000}}}
	k, err := c.Start(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Stop(context.Background(), k.ID, 0) }()

	if _, err := c.Start(ctx, first); !errors.Is(err, ErrNameInUse) {
		t.Errorf("the same name again: %v, want ErrNameInUse", err)
	}
	_, port, _ := strings.Cut(k.Addresses[8000], ":")
	taken := Spec{Image: ref, Name: randomName(), Command: sleep, Labels: map[string]string{"dev.fairlead.test": t.Name()},
		Env: map[string]string{"SECRET": "hush-hush"}, Publish: []Port{{HostIP: "127.0.0.1", Host: atoi(t, port), Container: 8000}}}
	if _, err := c.Start(ctx, taken); err == nil || errors.Is(err, ErrNameInUse) {
		t.Errorf("a port in use: %v, want an error about the port", err)
	}
	if left, err := c.List(ctx, taken.Labels); err != nil || len(left) != 0 {
		t.Errorf("a container that could not start was left: %v, %v", left, err)
	}
	if err := c.RemoveImage(ctx, ref); err == nil {
		t.Error("the image of a running container was removed")
	}
	if list, err := c.inspect(ctx, k.ID); err != nil || !list.Running {
		t.Errorf("removing the image took the container: %+v, %v", list, err)
	}
	if code, err := c.Exec(ctx, "fairlead-none", []string{"/prog"}, io.Discard, io.Discard); err == nil {
		t.Errorf("a command in no container: code %d and no error", code)
	}
}

func TestPodmanTellsNoSecrets(t *testing.T) {
	c, ref := podmanHere(t)
	var out bytes.Buffer
	if code, err := c.Run(t.Context(), Spec{Image: ref, Command: []string{"/prog", "inside", "proxy"}}, &out, &out); err != nil || code != 0 || strings.Contains(out.String(), "hush") {
		t.Errorf("the caller's proxy: code %d, %v, %q; want it not to be passed on", code, err, out.String())
	}
	s := Spec{Image: ref, Env: map[string]string{"SECRET": "hush-hush"}}
	args, cleanup, err := c.spec(s)
	defer cleanup()
	if err != nil || strings.Contains(strings.Join(args, " "), "hush") {
		t.Errorf("arguments %q, %v: a value stands in them", args, err)
	}
	s.Command = []string{"/hush-hush"}
	if _, err := c.Run(t.Context(), s, io.Discard, io.Discard); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("a program that is not there: %v; want an error without the value", err)
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
