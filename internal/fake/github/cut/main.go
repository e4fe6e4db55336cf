// Command cut reads GitHub's OpenAPI description (npm package @octokit/openapi,
// generated/api.github.com.json) and writes the part that the double serves:
//
//	cut api.github.com.json openapi.json.gz
//
// Paths that are not listed go, and with them every component that nothing
// refers to any more, examples, and prose. The output depends on the input only.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// paths are those that Fairlead calls, relative to a repository.
var paths = []string{
	"", "/actions/runs/{run_id}", "/attestations", "/attestations/{subject_digest}", "/check-runs", "/check-runs/{check_run_id}", "/check-runs/{check_run_id}/annotations",
	"/commits/{ref}", "/commits/{ref}/check-runs", "/commits/{ref}/status", "/commits/{ref}/statuses", "/compare/{basehead}", "/contents/{path}",
	"/deployments", "/deployments/{deployment_id}", "/deployments/{deployment_id}/statuses", "/dispatches", "/environments/{environment_name}",
	"/environments/{environment_name}/secrets", "/environments/{environment_name}/variables", "/git/commits", "/git/commits/{commit_sha}",
	"/git/matching-refs/{ref}", "/git/ref/{ref}", "/git/refs", "/git/refs/{ref}", "/git/tags/{tag_sha}", "/git/trees", "/issues/comments/{comment_id}",
	"/issues/{issue_number}/comments", "/pulls/{pull_number}/files", "/rules/branches/{branch}", "/statuses/{sha}",
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: cut api.github.com.json openapi.json.gz")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "cut:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	text, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		return err
	}
	cut, err := subset(doc)
	if err != nil {
		return err
	}
	small, err := json.Marshal(cut) // sorted keys
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // no name, no time
	if _, err := w.Write(small); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(out, b.Bytes(), 0o644)
}

func subset(doc map[string]any) (map[string]any, error) {
	all, _ := doc["paths"].(map[string]any)
	kept := map[string]any{}
	for _, p := range paths {
		item, ok := all["/repos/{owner}/{repo}"+p]
		if !ok {
			return nil, fmt.Errorf("the description has no path %q", p)
		}
		kept["/repos/{owner}/{repo}"+p] = strip(item)
	}
	components, _ := doc["components"].(map[string]any)
	needed := map[string]map[string]any{}
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				parts := strings.Split(strings.TrimPrefix(ref, "#/components/"), "/")
				if len(parts) == 2 && needed[parts[0]][parts[1]] == nil {
					kind, _ := components[parts[0]].(map[string]any)
					if needed[parts[0]] == nil {
						needed[parts[0]] = map[string]any{}
					}
					c := strip(kind[parts[1]])
					needed[parts[0]][parts[1]] = c
					follow(c)
				}
			}
			for _, e := range v {
				follow(e)
			}
		case []any:
			for _, e := range v {
				follow(e)
			}
		}
	}
	follow(kept)
	return map[string]any{"openapi": doc["openapi"], "info": doc["info"], "paths": kept, "components": needed}, nil
}

// strip removes what no validation needs.
func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			_, isText := e.(string)
			switch {
			case k == "example", k == "examples" && !isSchemaProperty(e), k == "description" && isText && v["$ref"] == nil && v["content"] == nil && v["headers"] == nil && len(v) > 1, k == "externalDocs", strings.HasPrefix(k, "x-"):
				continue
			}
			out[k] = strip(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = strip(e)
		}
		return out
	}
	return v
}

// isSchemaProperty tells a property named "examples" from a list of examples.
func isSchemaProperty(v any) bool {
	m, ok := v.(map[string]any)
	return ok && (m["type"] != nil || m["$ref"] != nil)
}
