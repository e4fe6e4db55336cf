package sbom

import "fmt"

// The parts of SPDX 2.3's JSON form that are written.
type (
	spdxDocument struct {
		Version       string             `json:"spdxVersion"`
		DataLicense   string             `json:"dataLicense"`
		ID            string             `json:"SPDXID"`
		Name          string             `json:"name"`
		Namespace     string             `json:"documentNamespace"`
		CreationInfo  spdxCreation       `json:"creationInfo"`
		Describes     []string           `json:"documentDescribes"`
		Packages      []spdxPackage      `json:"packages"`
		Relationships []spdxRelationship `json:"relationships"`
		Extracted     []spdxText         `json:"hasExtractedLicensingInfos,omitempty"`
	}
	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		ID               string         `json:"SPDXID"`
		Name             string         `json:"name"`
		Version          string         `json:"versionInfo,omitempty"`
		FileName         string         `json:"packageFileName,omitempty"`
		Purpose          string         `json:"primaryPackagePurpose"`
		Supplier         string         `json:"supplier"`
		DownloadLocation string         `json:"downloadLocation"`
		FilesAnalyzed    bool           `json:"filesAnalyzed"`
		Checksums        []spdxChecksum `json:"checksums,omitempty"`
		Concluded        string         `json:"licenseConcluded"`
		Declared         string         `json:"licenseDeclared"`
		Copyright        string         `json:"copyrightText"`
		SourceInfo       string         `json:"sourceInfo,omitempty"`
		References       []spdxRef      `json:"externalRefs,omitempty"`
	}
	spdxChecksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	spdxRef struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	spdxRelationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
	spdxText struct {
		ID   string `json:"licenseId"`
		Name string `json:"name"`
		Text string `json:"extractedText"`
	}
)

const (
	noAssertion     = "NOASSERTION"
	spdxRoot        = "SPDXRef-DOCUMENT"
	spdxImage       = "SPDXRef-Image"
	spdxBase        = "SPDXRef-Base"
	spdxApplication = "SPDXRef-Application"
)

func spdx(img Image) spdxDocument {
	doc := spdxDocument{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: spdxRoot, Name: img.title(),
		Namespace:    "https://spdx.org/spdxdocs/fairlead-" + img.uuid(SPDX),
		CreationInfo: spdxCreation{img.created(), []string{"Tool: fairlead-" + img.Tool}},
		Describes:    []string{spdxImage},
	}
	link := func(from, kind, to string) {
		doc.Relationships = append(doc.Relationships, spdxRelationship{from, kind, to})
	}
	app, base := img.Application, img.Base
	doc.Packages = []spdxPackage{
		plain(spdxImage, img.Name, img.Digest, "CONTAINER", img.Digest, imagePurl(img.Name, img.Digest, img.Platform)),
		plain(spdxBase, base.title(), base.Digest, "CONTAINER", base.Digest, imagePurl(base.Name, base.Digest, "")),
		plain(spdxApplication, app.Name, app.Version, "APPLICATION", "", ""),
	}
	if base.Python != "" {
		doc.Packages[1].SourceInfo = "CPython " + base.Python + " of this image runs the application"
	}
	if app.Source != "" {
		doc.Packages[2].SourceInfo = "from " + app.Source
		if app.Revision != "" {
			doc.Packages[2].SourceInfo += " at " + app.Revision
		}
	}
	link(spdxRoot, "DESCRIBES", spdxImage)
	link(spdxImage, "DESCENDANT_OF", spdxBase)
	link(spdxImage, "CONTAINS", spdxApplication)
	for _, r := range img.roots() {
		link(spdxApplication, "DEPENDS_ON", spdxID(r))
	}
	for _, p := range img.Packages {
		e := plain(spdxID(p.Name), p.Name, p.Version, "LIBRARY", "", p.purl())
		e.FileName = p.Wheel
		if p.SHA256 != "" {
			e.Checksums = []spdxChecksum{{"SHA256", p.SHA256}}
		}
		switch {
		case p.License.Expression != "":
			e.Declared = p.License.Expression
		case p.License.Text != "":
			t := spdxText{ID: "LicenseRef-" + p.Name, Name: p.License.name(), Text: p.License.Text}
			e.Declared = t.ID
			doc.Extracted = append(doc.Extracted, t)
		}
		doc.Packages = append(doc.Packages, e)
		link(spdxImage, "CONTAINS", e.ID)
		for _, n := range img.needs(p) {
			link(e.ID, "DEPENDS_ON", spdxID(n))
		}
	}
	return doc
}

// spdxID is a package's identifier: names in PEP 503 form need no escaping.
func spdxID(name string) string { return "SPDXRef-Package-" + name }

// plain is a package with what every one must say.
func plain(id, name, version, purpose, digest, purl string) spdxPackage {
	p := spdxPackage{ID: id, Name: name, Version: version, Purpose: purpose, Supplier: noAssertion, DownloadLocation: noAssertion,
		Concluded: noAssertion, Declared: noAssertion, Copyright: noAssertion}
	if hex := sha256Of(digest); hex != "" {
		p.Checksums = []spdxChecksum{{"SHA256", hex}}
	}
	if purl != "" {
		p.References = []spdxRef{{"PACKAGE-MANAGER", "purl", purl}}
	}
	return p
}

// title is the base's name, or what it is where it has none.
func (b Base) title() string {
	switch {
	case b.Name != "":
		return b.Name
	case b.Python != "":
		return fmt.Sprintf("base with CPython %s", b.Python)
	}
	return "base"
}
