package wheeltest

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
)

// Raw is an archive of which every field can be wrong. Zero values are right.
type Raw struct {
	Parts []Part
	// Count, if set, is the number of entries that the end record claims.
	Count int
	// Shift is added to the directory's place in the end record.
	Shift int
	// Comment and Trailing end the archive.
	Comment, Trailing string
	// Zip64 writes the ZIP64 records too, with Extensible data in the first.
	Zip64      bool
	Extensible string
	// Hidden bytes stand between the last entry and the directory.
	Hidden string
}

// Part is one entry, in the archive and in its directory.
type Part struct {
	Name, Content string
	Stored        bool
	Unix          uint32 // mode with type bits; 0: 0100644
	Flags         uint16

	// Before stands in front of the local header, After behind the body.
	Before, After string
	// NoLocal leaves the entry out of the archive, NoCentral out of the directory.
	NoLocal, NoCentral bool
	// Descriptor writes the data descriptor and zeros in the local header; the
	// flag is set by itself. BadDescriptor spoils it.
	Descriptor, BadDescriptor bool

	// What the local header says instead, where set.
	LocalName              string
	LocalCRC, LocalSize    uint32
	LocalMethod            *uint16
	LocalExtra, OuterExtra string
	// What both headers say instead of the truth.
	CRC    uint32
	Size   uint32 // unpacked
	Method *uint16
	// At, if set, is the local header's place in the directory.
	At *uint32
}

// Method makes a value for the fields of that name.
func Method(m uint16) *uint16 { return &m }

// Parts are the entries of a proper wheel, for a Raw that spoils one of them.
func (w Wheel) Parts() []Part {
	var out []Part
	for _, f := range w.entries() {
		mode := uint32(0o100644)
		if f.exec {
			mode = 0o100755
		}
		out = append(out, Part{Name: f.name, Content: f.content, Unix: mode})
	}
	return out
}

// Build writes the archive.
func (a Raw) Build() []byte {
	var out, dir bytes.Buffer
	n := 0
	for _, p := range a.Parts {
		at := uint32(out.Len() + len(p.Before))
		if p.At != nil {
			at = *p.At
		}
		l := p.layout()
		if !p.NoLocal {
			out.WriteString(p.Before)
			l.local(&out, p)
		}
		if !p.NoCentral {
			n++
			l.central(&dir, p, at)
		}
	}
	out.WriteString(a.Hidden)
	start := out.Len()
	out.Write(dir.Bytes())
	if a.Count != 0 {
		n = a.Count
	}
	place, size := uint64(start+a.Shift), uint64(dir.Len())
	if a.Zip64 {
		at := uint64(out.Len())
		put(&out, "PK\x06\x06", uint64(44+len(a.Extensible)), uint16(45), uint16(45), uint32(0), uint32(0), uint64(n), uint64(n), size, place, a.Extensible)
		put(&out, "PK\x06\x07", uint32(0), at, uint32(1))
	}
	put(&out, "PK\x05\x06", uint16(0), uint16(0), uint16(n), uint16(n), uint32(size), uint32(place), uint16(len(a.Comment)), a.Comment, a.Trailing)
	return out.Bytes()
}

type layout struct {
	body             []byte
	crc, size, csize uint32
	flags, method    uint16
}

func (p Part) layout() layout {
	l := layout{crc: crc32.ChecksumIEEE([]byte(p.Content)), size: uint32(len(p.Content)), flags: p.Flags | 0x800, method: 8}
	if p.Stored {
		l.body, l.method = []byte(p.Content), 0
	} else {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, 9)
		if err == nil {
			_, err = w.Write([]byte(p.Content))
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			panic("wheeltest: " + err.Error()) // a buffer does not fail
		}
		l.body = b.Bytes()
	}
	l.csize = uint32(len(l.body))
	if p.CRC != 0 {
		l.crc = p.CRC
	}
	if p.Size != 0 {
		l.size = p.Size
	}
	if p.Method != nil {
		l.method = *p.Method
	}
	if p.Descriptor {
		l.flags |= 8
	}
	return l
}

func (l layout) local(out *bytes.Buffer, p Part) {
	name, crc, csize, size, method := p.Name, l.crc, l.csize, l.size, l.method
	if p.Descriptor {
		crc, csize, size = 0, 0, 0
	}
	if p.LocalName != "" {
		name = p.LocalName
	}
	if p.LocalCRC != 0 {
		crc = p.LocalCRC
	}
	if p.LocalSize != 0 {
		size = p.LocalSize
	}
	if p.LocalMethod != nil {
		method = *p.LocalMethod
	}
	put(out, "PK\x03\x04", uint16(20), l.flags, method, uint16(0), uint16(33), crc, csize, size, uint16(len(name)), uint16(len(p.LocalExtra)), name, p.LocalExtra, l.body)
	if p.Descriptor {
		crc := l.crc
		if p.BadDescriptor {
			crc++
		}
		put(out, "PK\x07\x08", crc, l.csize, l.size)
	}
	out.WriteString(p.After)
}

func (l layout) central(dir *bytes.Buffer, p Part, at uint32) {
	mode := p.Unix
	if mode == 0 {
		mode = 0o100644
	}
	put(dir, "PK\x01\x02", uint16(3<<8|20), uint16(20), l.flags, l.method, uint16(0), uint16(33), l.crc, l.csize, l.size,
		uint16(len(p.Name)), uint16(len(p.OuterExtra)), uint16(0), uint16(0), uint16(0), mode<<16, at, p.Name, p.OuterExtra)
}

// put writes numbers in little endian, and text and bytes as they are.
func put(b *bytes.Buffer, values ...any) {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			b.WriteString(v)
		case []byte:
			b.Write(v)
		default:
			if err := binary.Write(b, binary.LittleEndian, v); err != nil {
				panic("wheeltest: " + err.Error()) // a mistake in the test
			}
		}
	}
}
