package sbom

// The parts of CycloneDX 1.6's JSON form that are written.
type (
	cdxDocument struct {
		Schema       string          `json:"$schema"`
		Format       string          `json:"bomFormat"`
		SpecVersion  string          `json:"specVersion"`
		Serial       string          `json:"serialNumber"`
		Version      int             `json:"version"`
		Metadata     cdxMetadata     `json:"metadata"`
		Components   []cdxComponent  `json:"components"`
		Dependencies []cdxDependency `json:"dependencies"`
	}
	cdxMetadata struct {
		Timestamp string       `json:"timestamp"`
		Tools     cdxTools     `json:"tools"`
		Component cdxComponent `json:"component"`
	}
	cdxTools struct {
		Components []cdxComponent `json:"components"`
	}
	cdxComponent struct {
		Type       string        `json:"type"`
		Ref        string        `json:"bom-ref,omitempty"`
		Name       string        `json:"name"`
		Version    string        `json:"version,omitempty"`
		Hashes     []cdxHash     `json:"hashes,omitempty"`
		Licenses   []cdxLicense  `json:"licenses,omitempty"`
		Purl       string        `json:"purl,omitempty"`
		References []cdxRef      `json:"externalReferences,omitempty"`
		Properties []cdxProperty `json:"properties,omitempty"`
	}
	cdxHash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	cdxLicense struct {
		License    *cdxName `json:"license,omitempty"`
		Expression string   `json:"expression,omitempty"`
	}
	cdxName struct {
		ID   string   `json:"id,omitempty"`
		Name string   `json:"name,omitempty"`
		Text *cdxText `json:"text,omitempty"`
	}
	cdxText struct {
		ContentType string `json:"contentType"`
		Content     string `json:"content"`
	}
	cdxRef struct {
		Type string `json:"type"`
		URL  string `json:"url"`
	}
	cdxProperty struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	cdxDependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

const (
	cdxImage       = "image"
	cdxBase        = "base"
	cdxApplication = "application"
)

func cyclonedx(img Image) cdxDocument {
	hashes := func(hex string) []cdxHash {
		if hex == "" {
			return nil
		}
		return []cdxHash{{"SHA-256", hex}}
	}
	app, base := img.Application, img.Base
	doc := cdxDocument{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6",
		Serial: "urn:uuid:" + img.uuid(CycloneDX), Version: 1,
		Metadata: cdxMetadata{
			Timestamp: img.created(),
			Tools:     cdxTools{[]cdxComponent{{Type: "application", Name: "fairlead", Version: img.Tool}}},
			Component: cdxComponent{Type: "container", Ref: cdxImage, Name: img.Name, Version: img.Digest, Hashes: hashes(sha256Of(img.Digest)),
				Purl: imagePurl(img.Name, img.Digest, img.Platform), Properties: properties("fairlead:platform", img.Platform)},
		},
		Components: []cdxComponent{
			{Type: "container", Ref: cdxBase, Name: base.title(), Version: base.Digest, Hashes: hashes(sha256Of(base.Digest)),
				Purl: imagePurl(base.Name, base.Digest, ""), Properties: properties("fairlead:python", base.Python)},
			{Type: "application", Ref: cdxApplication, Name: app.Name, Version: app.Version, Properties: properties("fairlead:revision", app.Revision)},
		},
	}
	if app.Source != "" {
		doc.Components[1].References = []cdxRef{{"vcs", app.Source}}
	}
	top := cdxDependency{Ref: cdxApplication, DependsOn: []string{}}
	for _, r := range img.roots() {
		top.DependsOn = append(top.DependsOn, cdxID(r))
	}
	doc.Dependencies = []cdxDependency{{cdxImage, []string{cdxApplication, cdxBase}}, {cdxBase, []string{}}, top}
	for _, p := range img.Packages {
		c := cdxComponent{Type: "library", Ref: cdxID(p.Name), Name: p.Name, Version: p.Version, Hashes: hashes(p.SHA256), Purl: p.purl(),
			Properties: properties("fairlead:wheel", p.Wheel)}
		switch {
		case p.License.Expression != "":
			c.Licenses = []cdxLicense{{Expression: p.License.Expression}}
		case p.License.Text != "":
			n := &cdxName{Name: p.License.name()}
			if n.Name != p.License.Text {
				n.Text = &cdxText{"text/plain", p.License.Text}
			}
			c.Licenses = []cdxLicense{{License: n}}
		}
		doc.Components = append(doc.Components, c)
		d := cdxDependency{Ref: c.Ref, DependsOn: []string{}}
		for _, n := range img.needs(p) {
			d.DependsOn = append(d.DependsOn, cdxID(n))
		}
		doc.Dependencies = append(doc.Dependencies, d)
	}
	return doc
}

// cdxID refers to a package.
func cdxID(name string) string { return "pypi:" + name }

func properties(name, value string) []cdxProperty {
	if value == "" {
		return nil
	}
	return []cdxProperty{{name, value}}
}
