package yamlfile

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"

	"probity.dev/internal/errs"
)

// Line returns the line, from 1, of the node at a path of keys (string) and indices (int) in the first document of a text. When the path leads nowhere, it is the line of the last node
// that is there; 0 when the text is no YAML.
func Line(text []byte, path ...any) int {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return 0
	}
	at := doc.Content[0]
	line := at.Line
	for _, step := range path {
		if at == nil {
			break
		}
		at, line = child(at, step, line)
	}
	return line
}

// child returns the node at one step below n, and the line of the key or element; without one, nil and the line given.
func child(n *yaml.Node, step any, line int) (*yaml.Node, int) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch s := step.(type) {
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == s {
				return n.Content[i+1], n.Content[i].Line
			}
		}
	case int:
		if n.Kind == yaml.SequenceNode && s < len(n.Content) {
			return n.Content[s], n.Content[s].Line
		}
	}
	return nil, line
}

// Malformed words an error of the YAML decoder for people: it names the file, and the line as the decoder does.
func Malformed(name string, err error) error {
	var many *yaml.TypeError
	text := err.Error()
	if errors.As(err, &many) && len(many.Errors) > 0 {
		text = many.Errors[0]
	}
	return errs.New(errs.Invalid, "%s: %s", name, strings.TrimPrefix(text, "yaml: "))
}

// At is an error at a line of a file; without a line, of the file.
func At(name string, line int, err error) error {
	if line == 0 {
		return errs.New(errs.Invalid, "%s: %s", name, errs.Message(err))
	}
	return errs.New(errs.Invalid, "%s line %d: %s", name, line, errs.Message(err))
}
