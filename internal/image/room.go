package image

import (
	"errors"
	"syscall"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// explainRoom adds to an error of a full disk what to do.
func explainRoom(err error) error {
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
	if !full || failure.HintOf(err) != "" {
		return err
	}
	return failure.Wrap(failure.Service, "free some space there, or set TMPDIR to a folder with more, and run again", err)
}
