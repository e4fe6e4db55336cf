//go:build !unix

package disk

// ReadPlain leaves every file to Open.
func (f FS) ReadPlain(string, int64) ([]byte, error) { return nil, ErrNotPlain }
