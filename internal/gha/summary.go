package gha

import (
	"fmt"
	"os"
	"strings"
)

// maxSummary is the size of one step's summary above which the runner refuses
// the upload with an error annotation.
const maxSummary = 1 << 20

const cutNote = "\n\n… the rest is too long for a job summary; see the log or the JSON output.\n"

// Summary appends Markdown to the step's summary. A text that would go over the
// runner's limit is cut at a line and says so, instead of being refused whole.
func (r *Runtime) Summary(markdown string) error {
	path := r.getenv("GITHUB_STEP_SUMMARY")
	if !r.Active() || path == "" || markdown == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("writing the job summary: %w", err)
	}
	room := maxSummary - int(info.Size()) - len(cutNote) - 1
	if room <= 0 {
		return nil
	}
	if !strings.HasSuffix(markdown, "\n") {
		markdown += "\n"
	}
	if len(markdown) > room {
		cut := clip(markdown, room)
		if i := strings.LastIndexByte(cut, '\n'); i > 0 {
			cut = cut[:i]
		}
		markdown = cut + cutNote
	}
	return appendFile(path, markdown)
}
