package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxEntry bounds an entry, in bytes: real ones have less than 2,000.
const maxEntry = 1 << 20

// ErrNewer says that an entry was written by a version that knows more. It is not
// read in part: the next entry is made from it, and would lose what is unknown,
// such as a hold of a new kind.
var ErrNewer = errors.New("it was written by a newer version")

// ParseEntry reads an entry as it stands in the ledger.
func ParseEntry(data []byte) (Entry, error) {
	var version struct {
		V *int `json:"v"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return Entry{}, err
	}
	switch {
	case version.V == nil:
		return Entry{}, errors.New("it has no format version")
	case *version.V > 1:
		return Entry{}, fmt.Errorf("format version %d is not 1: %w", *version.V, ErrNewer)
	case *version.V != 1:
		return Entry{}, fmt.Errorf("format version %d is not 1", *version.V)
	}
	var e Entry
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		if json.Unmarshal(data, new(Entry)) == nil {
			return Entry{}, fmt.Errorf("%w: %w", err, ErrNewer)
		}
		return Entry{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Entry{}, errors.New("there is more behind the end of the entry")
	}
	return e, nil
}
