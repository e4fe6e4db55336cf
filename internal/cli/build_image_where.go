package cli

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image"
)

// destinations reads tags: plain ones for the image named, and whole references
// as docker/metadata-action writes them, of one repository or several.
func destinations(repository string, tags []string) ([]image.Destination, error) {
	all := []image.Destination{{Repository: repository}}
	for _, t := range tags {
		repo, tag := repository, t
		if strings.ContainsAny(t, "/:") {
			i := strings.LastIndexByte(t, ':')
			if strings.Contains(t, "@") || i < 0 || i < strings.LastIndexByte(t, '/') {
				return nil, failure.New(failure.Usage, "write TAG, or REPOSITORY:TAG", "--tags %q is no tag", t)
			}
			repo, tag = t[:i], t[i+1:]
		} else if repository == "" {
			return nil, failure.New(failure.Usage, "give --image, or write REPOSITORY:TAG", "--tags %q: no image is named", t)
		}
		if all[0].Repository == "" {
			all[0].Repository = repo
		}
		i := slices.IndexFunc(all, func(d image.Destination) bool { return d.Repository == repo })
		if i < 0 {
			all = append(all, image.Destination{Repository: repo})
			i = len(all) - 1
		}
		if !slices.Contains(all[i].Tags, tag) {
			all[i].Tags = append(all[i].Tags, tag)
		}
	}
	return all, nil
}

const hintOutputs = "oci:FOLDER, oci-archive:FILE, tar:FILE (for docker load), docker, podman, registry; buildx's type=oci,dest=FILE, type=docker,dest=FILE, type=registry are understood, too"

// where reads an output, in our form or buildx's; push says that it is the
// registry.
func where(text string) (out image.Output, push bool, err error) {
	bad := func() (image.Output, bool, error) {
		return image.Output{}, false, failure.New(failure.Usage, hintOutputs, "--outputs %q is not known", text)
	}
	if strings.Contains(text, "=") && !strings.Contains(strings.SplitN(text, "=", 2)[0], ":") {
		return buildxOutput(text)
	}
	kind, path, _ := strings.Cut(text, ":")
	switch k := image.OutputKind(kind); k {
	case image.OutputOCI, image.OutputOCITar, image.OutputTar:
		if path == "" {
			return bad()
		}
		return image.Output{Kind: k, Path: path}, false, nil
	case image.OutputDocker, image.OutputPodman:
		if path != "" {
			return bad()
		}
		return image.Output{Kind: k}, false, nil
	case "registry":
		return image.Output{}, true, nil
	}
	return bad()
}

// buildxOutput reads type=…,key=value,…, a line of CSV.
func buildxOutput(text string) (out image.Output, push bool, err error) {
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return out, false, failure.New(failure.Usage, hintOutputs, "--outputs %q: %w", text, err)
	}
	set := map[string]string{}
	for _, f := range fields {
		k, v, _ := strings.Cut(f, "=")
		set[strings.TrimSpace(k)] = v
	}
	for k := range set {
		if !slices.Contains([]string{"type", "dest", "tar", "push"}, k) {
			return out, false, failure.New(failure.Usage, hintOutputs, "--outputs %q: %q is not known here", text, k)
		}
	}
	dest := set["dest"]
	switch {
	case set["type"] == "registry", set["type"] == "image" && set["push"] == "true":
		return out, true, nil
	case set["type"] == "oci" && dest != "" && set["tar"] == "false":
		return image.Output{Kind: image.OutputOCI, Path: dest}, false, nil
	case set["type"] == "oci" && dest != "":
		return image.Output{Kind: image.OutputOCITar, Path: dest}, false, nil
	case set["type"] == "docker" && dest != "":
		return image.Output{Kind: image.OutputTar, Path: dest}, false, nil
	case set["type"] == "docker":
		return image.Output{Kind: image.OutputDocker}, false, nil
	}
	return out, false, failure.New(failure.Usage, hintOutputs, "--outputs %q is not known", text)
}

// annotation reads KEY=VALUE, with buildx's levels in front: "index:KEY=VALUE",
// "manifest[linux/arm64]:…", "manifest,index:…". Without one it is for manifests
// and the index alike.
func annotation(text string) ([]image.Annotation, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return nil, failure.New(failure.Usage, "", "--annotations %q is not KEY=VALUE", text)
	}
	levels, rest, prefixed := strings.Cut(key, ":")
	if !prefixed {
		return []image.Annotation{{Key: key, Value: value}}, nil
	}
	var out []image.Annotation
	for level := range strings.SplitSeq(levels, ",") {
		level, platform, _ := strings.Cut(strings.TrimSuffix(level, "]"), "[")
		if level != "manifest" && level != "index" || rest == "" || platform != "" && level != "manifest" {
			return nil, failure.New(failure.Usage, "levels are manifest, manifest[PLATFORM] and index", "--annotations %q: %q is no level of an image", text, level)
		}
		out = append(out, image.Annotation{Key: rest, Value: value, Level: level, Platform: platform})
	}
	return out, nil
}

// imageID is what engines know the image by: with several platforms, the index.
func imageID(r *image.Result) string {
	if len(r.Platforms) == 1 {
		return r.Platforms[0].ImageID
	}
	return r.Digest
}

// buildxMetadata is what buildx writes to a --metadata-file.
func buildxMetadata(r *image.Result) string {
	if r.Digest == "" {
		return "" // a plan
	}
	m := map[string]any{
		"containerimage.digest":     r.Digest,
		"containerimage.descriptor": map[string]any{"mediaType": r.MediaType, "digest": r.Digest, "size": r.ManifestSize},
	}
	if len(r.Platforms) == 1 {
		m["containerimage.config.digest"] = r.Platforms[0].ImageID
	}
	var names []string
	for _, t := range r.Tags {
		if !strings.Contains(t, ":") {
			t = r.Image + ":" + t
		}
		names = append(names, t)
	}
	if len(names) > 0 {
		m["image.name"] = strings.Join(names, ",")
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "{}" // texts and numbers always marshal
	}
	return string(raw)
}

func writeMetadata(file string, r *image.Result) error {
	if err := os.WriteFile(file, []byte(buildxMetadata(r)+"\n"), 0o644); err != nil {
		return failure.New(failure.Usage, "", "--metadata-file: %w", err)
	}
	return nil
}
