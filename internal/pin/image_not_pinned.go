package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func imageNotPinned() rule[imageUse] {
	return rule[imageUse]{
		Rule{ID: "image/not-pinned", Severity: finding.Error, Title: "an image is named by a tag, which can move, or by no tag at all"},
		func(u imageUse) *complaint {
			if _, _, ok := splitDigest(u.ref); ok {
				return nil
			}
			what := &complaint{state: Unpinned, context: u.context}
			ref := u.ref
			if tag := imageTag(ref); tag != "" {
				what.message = "the tag " + quote(tag) + " can move to another image: only a digest names bytes"
			} else {
				what.message = "no tag means latest, whatever that is on the day"
				ref += ":latest"
			}
			if u.raw != u.ref {
				what.context = append([]string{"with its build arguments: " + u.ref}, what.context...)
			}
			if u.bare {
				what.context = append(what.context, "it is no stage of this file; a named build context (--build-context) would be pinned where the build is started")
			}
			what.hint = "add the digest: " + imageName(ref) + ":" + imageTag(ref) + "@sha256:… (" + digestCommand(ref) + ")"
			return what
		},
	}
}

// digestCommand is how a person finds an image's digest: that of the index, which
// serves every platform.
func digestCommand(ref string) string {
	if w := shellWord(ref); w != "" {
		return "docker buildx imagetools inspect " + w
	}
	return "docker buildx imagetools inspect prints it"
}
