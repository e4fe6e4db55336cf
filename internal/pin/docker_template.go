package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func dockerTemplate() Rule {
	return Rule{ID: "docker/template", Severity: finding.Warning, Title: "a template of a Dockerfile, whose images are known only when it is filled in"}
}

func (c *checker) template(f source) {
	c.say(dockerTemplate(), place{path: f.path}, complaint{
		message: "a template is not read: what it builds from depends on what fills it in",
		hint:    "check the file it makes, or ignore the template",
	})
}
