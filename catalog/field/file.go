package field

import (
	"errors"

	"go.yaml.in/yaml/v3"

	"probity.dev/internal/yamlfile"
)

// ParseFile is [Parse] for the text of a file: errors name the file and, where one is at fault, the line of the rule. Rules are the operator's own, in order; the built-in ones apply after them.
func ParseFile(name string, text []byte) (c *Catalogue, rules []Rule, err error) {
	if c, err = Parse(text); err != nil {
		return nil, nil, located(name, text, err)
	}
	return c, rulesIn(text), nil
}

// BuiltinRules are the rules of [Builtin], in order.
func BuiltinRules() []Rule { return rulesIn(builtinYAML) }

// rulesIn lists the rules of a text that has been parsed.
func rulesIn(text []byte) []Rule {
	var file struct {
		Rules []Rule `yaml:"rules"`
	}
	if yaml.Unmarshal(text, &file) != nil {
		return nil
	}
	return file.Rules
}

// located finds what Parse has refused.
func located(name string, text []byte, err error) error {
	if len(text) > MaxCatalogueBytes {
		return yamlfile.At(name, 0, err)
	}
	if cause := errors.Unwrap(err); cause != nil {
		return yamlfile.Malformed(name, cause)
	}
	for i, r := range rulesIn(text) {
		if _, bad := compile([]Rule{r}); bad != nil {
			return yamlfile.At(name, yamlfile.Line(text, "rules", i), err)
		}
	}
	return yamlfile.At(name, 0, err)
}
