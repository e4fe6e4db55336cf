package layer

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

const (
	blockSize = 512
	// mtime is one second after the epoch: zero is read as "no time" by some
	// tools, and zip files cannot hold it.
	mtime = 1

	maxName, maxPrefix, maxLink = 100, 155, 100
	maxSize                     = 1<<33 - 1 // 11 octal digits
)

// header returns the tar records that announce an entry: one POSIX ustar block,
// after a pax block and its body where a name or size does not fit. It is
// written by hand because archive/tar's choices are its own to change, and a
// changed byte is a changed digest. Owner is 0:0 without names.
func header(e Entry) ([]byte, error) {
	name := e.Path
	flag := byte('0')
	switch {
	case e.Mode.IsDir():
		name, flag = name+"/", '5'
	case e.Mode&fs.ModeSymlink != 0:
		flag = '2'
	}
	perm := permissions(e)
	size := e.Size
	if flag != '0' {
		size = 0
	}
	var pax []string
	prefix, short, ok := split(name)
	if !ok {
		pax = append(pax, record("path", name))
		prefix, short = "", truncate(name, maxName)
	}
	link := e.Link
	if len(link) > maxLink || !ascii(link) {
		pax = append(pax, record("linkpath", link))
		link = truncate(link, maxLink)
	}
	if size > maxSize {
		return nil, fmt.Errorf("building a layer: %q is larger than 8 GiB", e.Path)
	}
	var out []byte
	if len(pax) > 0 {
		body := strings.Join(pax, "")
		out = append(out, block("pax/header", "", 'x', 0o644, int64(len(body)), "")...)
		out = append(out, body...)
		out = append(out, make([]byte, padding(int64(len(body))))...)
	}
	return append(out, block(short, prefix, flag, perm, size, link)...), nil
}

// permissions are an entry's mode bits as tar has them.
func permissions(e Entry) int64 {
	perm := int64(e.Mode.Perm())
	if e.Mode&fs.ModeSticky != 0 {
		perm |= 0o1000
	}
	return perm
}

func block(name, prefix string, flag byte, perm, size int64, link string) []byte {
	b := make([]byte, blockSize)
	copy(b[0:100], name)
	copy(b[100:108], octal(perm, 7))
	copy(b[108:116], octal(0, 7))
	copy(b[116:124], octal(0, 7))
	copy(b[124:136], octal(size, 11))
	copy(b[136:148], octal(mtime, 11))
	copy(b[148:156], "        ")
	b[156] = flag
	copy(b[157:257], link)
	copy(b[257:265], "ustar\x0000")
	copy(b[329:337], octal(0, 7))
	copy(b[337:345], octal(0, 7))
	copy(b[345:500], prefix)
	var sum int64
	for _, c := range b {
		sum += int64(c)
	}
	copy(b[148:156], octal(sum, 6)+"\x00 ")
	return b
}

// octal is a number in exactly n octal digits; the terminating NUL is already
// in the block.
func octal(v int64, n int) string {
	s := strconv.FormatInt(v, 8)
	return strings.Repeat("0", n-len(s)) + s
}

// split divides a name between ustar's prefix and name fields at a slash.
func split(name string) (prefix, rest string, ok bool) {
	if !ascii(name) {
		return "", "", false
	}
	if len(name) <= maxName {
		return "", name, true
	}
	for i := len(name) - 2; i > 0; i-- { // not at a folder's final slash
		if name[i] == '/' && i <= maxPrefix && len(name)-i-1 <= maxName {
			return name[:i], name[i+1:], true
		}
	}
	return "", "", false
}

// record is a pax record, "LENGTH KEY=VALUE\n", whose length counts itself.
func record(key, value string) string {
	n := len(key) + len(value) + 3
	total := n + len(strconv.Itoa(n))
	if len(strconv.Itoa(total)) != len(strconv.Itoa(n)) {
		total++
	}
	return fmt.Sprintf("%d %s=%s\n", total, key, value)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// truncate makes a stand-in for readers that do not know pax: ASCII, cut.
func truncate(s string, n int) string {
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < n; i++ {
		if s[i] < 0x80 {
			b.WriteByte(s[i])
		} else {
			b.WriteByte('_')
		}
	}
	return b.String()
}

// padding is what fills size up to whole blocks.
func padding(size int64) int64 { return -size & (blockSize - 1) }
