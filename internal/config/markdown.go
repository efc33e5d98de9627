package config

import (
	"fmt"
	"strings"
)

const markdownHead = `# Configuration

Every setting can be given as a flag, as an environment variable, or in a YAML file named by ` + "`--config`" + ` or ` + "`PROBITY_CONFIG`" + `. A flag wins
over a variable, a variable over the file, the file over the default. An unknown key in the file is an error.

Durations are written like ` + "`500ms`, `30m`, `24h` or `7d`" + `; sizes like ` + "`64MiB`" + ` (powers of 1,024) or ` + "`64MB`" + ` (powers of 1,000); lists with commas, or as YAML lists.
Settings marked *secret* cannot be given as a flag, because a command line is visible to everybody on the machine: use the variable, or put the value in a file and name that file
with ` + "`--NAME-file`, `PROBITY_NAME_FILE` or `name_file`" + `.

This page is generated from the table of settings in the program.

| flag | variable | file | type | default | meaning |
|---|---|---|---|---|---|
`

const markdownTail = `
## Example

` + "```yaml" + `
data: /var/lib/probity
listen: 127.0.0.1:8780
public_url: https://audit.example.com
instance_name: audit.example.com
trusted_proxies:
  - 10.0.0.0/8
log_format: json
` + "```" + `
`

// Markdown renders docs/configuration.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(markdownHead)
	for _, s := range Settings() {
		flag, variable, key, typ, def := "--"+s.Name, s.Env(), s.Key(), s.Type, "`"+s.Default+"`"
		if s.Secret {
			if s.Flag {
				flag += "`, `" + flag + "-file"
			} else {
				flag += "-file"
			}
			variable, key, typ = variable+"`, `"+variable+"_FILE", key+"`, `"+key+"_file", typ+", secret"
		}
		if s.Default == "" {
			def = "none"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `%s` | %s | %s | %s |\n", flag, variable, key, typ, def, s.Help)
	}
	b.WriteString(markdownTail)
	return b.String()
}
