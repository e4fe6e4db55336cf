// Package sbom writes bills of materials of images: SPDX 2.3 and CycloneDX 1.6,
// both as JSON. They are functions of what they are given: no clock, no random
// numbers; the same image gives the same bytes.
//
// Sources: SPDX specification 2.3, CycloneDX specification 1.6, package URL
// specification (type pypi and oci), RFC 9562 (UUID version 8).
package sbom

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"
)

// Format names a kind of document.
type Format string

// The formats.
const (
	SPDX      Format = "spdx"
	CycloneDX Format = "cyclonedx"
)

// Formats are all there are.
func Formats() []Format { return []Format{SPDX, CycloneDX} }

// MediaType is the document's type, and the artifact's in a registry.
func (f Format) MediaType() string {
	if f == SPDX {
		return "application/spdx+json"
	}
	return "application/vnd.cyclonedx+json"
}

// Extension is what file names of the format end with.
func (f Format) Extension() string {
	if f == SPDX {
		return ".spdx.json"
	}
	return ".cdx.json"
}

// Image is one platform's image and what it is made of.
type Image struct {
	Name     string // repository, or what else it is called
	Digest   string // "sha256:…", of the platform's manifest
	Platform string // "linux/arm64"
	// Created is the image's own time (SOURCE_DATE_EPOCH), in the document too.
	Created time.Time
	// Tool is the version of Fairlead that assembled it.
	Tool string

	Base        Base
	Application Application
	// Packages are what wheels brought; the order is of no importance.
	Packages []Package
}

// Base is the image below.
type Base struct {
	Name   string // "" or "host": it has no name elsewhere
	Digest string // "" where it has none
	Python string // full version of its interpreter
}

// Application is the project itself.
type Application struct {
	Name, Version    string
	Source, Revision string // of the repository
}

// Package is an installed wheel.
type Package struct {
	Name    string // PEP 503 form
	Version string
	Wheel   string // file name
	SHA256  string // of the wheel, in hex; "" for a folder of the repository
	License License
	// Needs are the names of other packages in the image that it depends on.
	Needs []string
}

// Write makes a document of an image.
func Write(f Format, img Image) ([]byte, error) {
	img.Packages = slices.Clone(img.Packages)
	slices.SortFunc(img.Packages, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(img.Packages); i++ {
		if img.Packages[i].Name == img.Packages[i-1].Name {
			return nil, fmt.Errorf("writing the bill of materials: package %q is in the image twice", img.Packages[i].Name)
		}
	}
	var doc any
	switch f {
	case SPDX:
		doc = spdx(img)
	case CycloneDX:
		doc = cyclonedx(img)
	default:
		return nil, fmt.Errorf("writing a bill of materials: format %q is neither spdx nor cyclonedx", f)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		return nil, fmt.Errorf("writing the bill of materials: %w", err)
	}
	return b.Bytes(), nil
}

// roots are the packages that no other needs: what the application asks for, as
// far as the image can tell.
func (img Image) roots() []string {
	needed := map[string]bool{}
	for _, p := range img.Packages {
		for _, n := range p.Needs {
			needed[n] = n != p.Name
		}
	}
	var out []string
	for _, p := range img.Packages {
		if !needed[p.Name] {
			out = append(out, p.Name)
		}
	}
	return out
}

// needs are the package's needs that are in the image, sorted, each once.
func (img Image) needs(p Package) []string {
	var out []string
	for _, n := range p.Needs {
		if n != p.Name && slices.ContainsFunc(img.Packages, func(q Package) bool { return q.Name == n }) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// uuid is derived from what the document says of the image, so that documents of
// different images differ and the same are the same.
func (img Image) uuid(f Format) string {
	h := sha256.Sum256([]byte("fairlead sbom " + string(f) + " " + img.Name + " " + img.Digest))
	h[6] = h[6]&0x0f | 0x80 // version 8: ours to define
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func (img Image) created() string { return img.Created.UTC().Format("2006-01-02T15:04:05Z") }

// title is the image in a line.
func (img Image) title() string {
	if img.Digest == "" {
		return img.Name
	}
	return img.Name + "@" + img.Digest
}

func (p Package) purl() string {
	return packageurl.NewPackageURL(packageurl.TypePyPi, "", p.Name, p.Version, nil, "").ToString()
}

// imagePurl names an image by its digest (purl type oci: the name is the last
// part of the repository, which is a qualifier).
func imagePurl(name, digest, platform string) string {
	if digest == "" || !strings.Contains(name, "/") {
		return ""
	}
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	q := map[string]string{"repository_url": strings.ToLower(name)}
	if _, arch, ok := strings.Cut(platform, "/"); ok {
		q["arch"] = strings.ReplaceAll(arch, "/", "")
	}
	return packageurl.NewPackageURL(packageurl.TypeOCI, "", name[strings.LastIndexByte(name, '/')+1:], digest, packageurl.QualifiersFromMap(q), "").ToString()
}

// sha256Of is the hex part of "sha256:…".
func sha256Of(digest string) string {
	hex, ok := strings.CutPrefix(digest, "sha256:")
	if !ok {
		return ""
	}
	return hex
}
