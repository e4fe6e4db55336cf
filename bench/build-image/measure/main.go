// Command measure turns wheels into layers one way or another and says what it
// cost, as JSON: for the benchmarks of build-image (bench/build-image/run).
package main

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// cost is what one way took.
type cost struct {
	Way     string  `json:"way"`
	Wheels  int     `json:"wheels"`
	Files   int     `json:"files"`
	WheelMB float64 `json:"wheel_mb"`
	PlainMB float64 `json:"plain_mb"` // tar inside the layers
	OutMB   float64 `json:"out_mb"`
	CPU     float64 `json:"cpu_s"` // user and system
	Wall    float64 `json:"wall_s"`
	PeakMB  float64 `json:"peak_mb"` // resident
}

const usage = `usage: measure splice|tarball FOLDER-OF-WHEELS
       measure other NAME COMMAND…
       measure generate FOLDER WHEELS MEGABYTES [FILES-A-WHEEL]`

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) >= 3 && args[0] == "other":
		err = other(args[1], args[2:])
	case (len(args) == 4 || len(args) == 5) && args[0] == "generate":
		wheels, errW := strconv.Atoi(args[2])
		megabytes, errM := strconv.Atoi(args[3])
		files, errF := strconv.Atoi(append(args, "0")[4])
		if err = errors.Join(errW, errM, errF); err == nil {
			err = generate(args[1], wheels, megabytes, files)
		}
	case len(args) == 2:
		err = run(args[0], args[1])
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(way, folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.whl"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no wheels in %q: %w", folder, err)
	}
	c := cost{Way: way, Wheels: len(files)}
	for _, f := range files {
		if z, err := zip.OpenReader(f); err == nil {
			c.Files += len(z.File)
			_ = z.Close()
		}
		info, err := os.Stat(f)
		if err != nil {
			return err
		}
		c.WheelMB += float64(info.Size()) / 1e6
	}
	convert, ok := map[string]func(string, *cost) error{"splice": splice, "tarball": tarballs}[way]
	if !ok {
		return fmt.Errorf("way %q is not known", way)
	}
	start := time.Now()
	for _, f := range files {
		if err := convert(f, &c); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	c.Wall = time.Since(start).Seconds()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return err
	}
	c.CPU = time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	c.PeakMB = float64(u.Maxrss) / 1e3
	return json.NewEncoder(os.Stdout).Encode(c)
}
