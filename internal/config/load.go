package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"probity.dev/internal/errs"
	"probity.dev/internal/secretfile"
)

// maxFile bounds the YAML file.
const maxFile = 1 << 20

// Bind adds a flag for every setting, and --config, to fs. With names, only those settings are added: a command that needs the data directory
// alone does not offer the others.
func Bind(fs *pflag.FlagSet, names ...string) {
	fs.String("config", "", "YAML file with settings (PROBITY_CONFIG)")
	for _, s := range Settings() {
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		help := fmt.Sprintf("%s (%s)", s.Help, s.Env())
		if s.Secret {
			fs.String(s.Name+"-file", "", fmt.Sprintf("File that holds %s. %s (%s_FILE)", s.Name, s.Help, s.Env()))
			if !s.Flag {
				continue // a secret on the command line would show in the list of processes
			}
		}
		fs.String(s.Name, s.Default, help)
	}
}

// Defaults returns the configuration with no flag, variable or file.
func Defaults() *Config {
	c, err := Load(nil, func(string) (string, bool) { return "", false })
	if err != nil {
		panic("config: a built-in default is not valid: " + err.Error())
	}
	return c
}

// Load returns the settings in effect: flags that were set on fs (nil for none), over environment variables, over the YAML file, over defaults. The
// file is the one named by --config or PROBITY_CONFIG; a file that is named must exist. The error names the source and the setting at fault.
func Load(fs *pflag.FlagSet, env func(string) (string, bool)) (*Config, error) {
	l := &loader{flags: fs, env: env, c: &Config{sources: map[string]Source{}}}
	path, _ := env("PROBITY_CONFIG")
	if v, ok := l.flag("config"); ok {
		path = v
	}
	if path != "" {
		if err := l.readFile(path); err != nil {
			return nil, err
		}
	}
	for _, s := range Settings() {
		if err := l.apply(s); err != nil {
			return nil, err
		}
	}
	return l.c, l.c.check()
}

type loader struct {
	flags *pflag.FlagSet
	env   func(string) (string, bool)
	path  string
	file  map[string]fileValue
	c     *Config
}

type fileValue struct {
	text string
	line int
}

func (l *loader) flag(name string) (string, bool) {
	if l.flags == nil {
		return "", false
	}
	f := l.flags.Lookup(name)
	if f == nil || !f.Changed {
		return "", false
	}
	return f.Value.String(), true
}

// apply sets one setting from its strongest source.
func (l *loader) apply(s Setting) error {
	value, source, where, err := l.find(s)
	if err != nil {
		return err
	}
	if err := s.set(l.c, value); err != nil {
		detail := err.Error()
		if s.Secret {
			detail = "the value is not in the right form"
		}
		return errs.New(errs.Invalid, "%s: %s", where, detail)
	}
	l.c.sources[s.Name] = source
	c := l.c
	c.databaseFlag = c.databaseFlag || s.Name == "database" && where == "--database"
	return nil
}

func (l *loader) find(s Setting) (value string, source Source, where string, err error) {
	if v, ok := l.flag(s.Name); ok {
		return v, FromFlag, "--" + s.Name, nil
	}
	if s.Secret {
		if v, ok := l.flag(s.Name + "-file"); ok {
			return l.secret(v, FromFlag, "--"+s.Name+"-file")
		}
	}
	if v, ok := l.env(s.Env()); ok {
		return v, FromEnv, s.Env(), nil
	}
	if s.Secret {
		if v, ok := l.env(s.Env() + "_FILE"); ok {
			return l.secret(v, FromEnv, s.Env()+"_FILE")
		}
	}
	if v, ok := l.file[s.Key()]; ok {
		return v.text, FromFile, fmt.Sprintf("%s line %d: %s", l.path, v.line, s.Key()), nil
	}
	if s.Secret {
		if v, ok := l.file[s.Key()+"_file"]; ok {
			return l.secret(v.text, FromFile, fmt.Sprintf("%s line %d: %s_file", l.path, v.line, s.Key()))
		}
	}
	return s.Default, FromDefault, s.Name, nil
}

func (l *loader) secret(path string, source Source, where string) (string, Source, string, error) {
	b, err := secretfile.Read(path)
	if err != nil {
		return "", source, where, errs.New(errs.Invalid, "%s: %v", where, err)
	}
	value := strings.TrimRight(string(b), "\r\n")
	if value == "" {
		return "", source, where, errs.New(errs.Invalid, "%s: %s is empty", where, path)
	}
	return value, source, where, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	return b, err
}

// readFile reads a flat YAML mapping. Unknown keys are refused: a setting that is misspelt must not be silently without effect.
func (l *loader) readFile(path string) error {
	b, err := readBounded(path)
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "the configuration file %s cannot be read", path)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return errs.New(errs.Invalid, "%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	l.path, l.file = path, map[string]fileValue{}
	if len(doc.Content) == 0 {
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return errs.New(errs.Invalid, "%s: the file must hold key: value lines", path)
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if err := l.fileEntry(key, value); err != nil {
			return err
		}
	}
	return l.guard()
}

// guard refuses a file that holds a secret itself where everybody may read it, by the rule for files that hold nothing else.
func (l *loader) guard() error {
	for _, s := range Settings() {
		v, ok := l.file[s.Key()]
		if !s.Secret || !ok || v.text == "" || s.Flag && !hasPassword(v.text) {
			continue
		}
		if _, err := secretfile.Read(l.path); err != nil {
			return errs.New(errs.Invalid, "%s line %d: %s is a secret, and %v; or keep it in a file of its own, with %s_file", l.path, v.line, s.Key(), err, s.Key())
		}
	}
	return nil
}

func (l *loader) fileEntry(key, value *yaml.Node) error {
	known := fileKeys()
	if !slices.Contains(known, key.Value) {
		return errs.New(errs.Invalid, "%s line %d: unknown setting %q; did you mean %s?", l.path, key.Line, key.Value, nearest(key.Value, known))
	}
	if _, twice := l.file[key.Value]; twice {
		return errs.New(errs.Invalid, "%s line %d: %s is set twice", l.path, key.Line, key.Value)
	}
	v := fileValue{line: key.Line}
	switch value.Kind {
	case yaml.ScalarNode:
		if value.Tag != "!!null" {
			v.text = value.Value
		}
	case yaml.SequenceNode:
		items := make([]string, 0, len(value.Content))
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode {
				return errs.New(errs.Invalid, "%s line %d: %s must be a list of plain values", l.path, item.Line, key.Value)
			}
			items = append(items, item.Value)
		}
		v.text = strings.Join(items, ",")
	default:
		return errs.New(errs.Invalid, "%s line %d: %s must be a plain value or a list", l.path, key.Line, key.Value)
	}
	l.file[key.Value] = v
	return nil
}

func fileKeys() []string {
	var keys []string
	for _, s := range Settings() {
		keys = append(keys, s.Key())
		if s.Secret {
			keys = append(keys, s.Key()+"_file")
		}
	}
	return keys
}

// check looks at settings that depend on each other.
func (c *Config) check() error {
	var problems []error
	if (c.TLSCert == "") != (c.TLSKey == "") {
		problems = append(problems, errs.New(errs.Invalid, "tls-cert and tls-key must be given together"))
	}
	if c.TLSCert != "" && len(c.ACMEHosts) > 0 {
		problems = append(problems, errs.New(errs.Invalid, "tls-cert and acme-hosts: give one of them"))
	}
	if len(c.ACMEHosts) == 0 && (c.ACMEEmail != "" || c.ACMEDirectory != "") {
		problems = append(problems, errs.New(errs.Invalid, "acme-email and acme-directory need acme-hosts"))
	}
	if c.databaseFlag && hasPassword(c.Database) {
		problems = append(problems, errs.New(errs.Invalid, "--database: a password on the command line shows in the list of processes; use --database-file, PROBITY_DATABASE or PGPASSWORD"))
	}
	if c.SessionIdle > c.SessionAbsolute {
		problems = append(problems, errs.New(errs.Invalid, "session-idle must not be longer than session-absolute"))
	}
	if c.ServesTLS() && strings.HasPrefix(c.PublicURL, "http://") {
		problems = append(problems, errs.New(errs.Invalid, "public-url must start with https:// when tls-cert or acme-hosts is given"))
	}
	if (c.SMTPServer == "") != (c.SMTPFrom == "") {
		problems = append(problems, errs.New(errs.Invalid, "smtp-server and smtp-from must be given together"))
	}
	if c.SMTPUsername != "" && c.SMTPTLS == "none" {
		problems = append(problems, errs.New(errs.Invalid, "smtp-username needs smtp-tls: a password is not sent in clear"))
	}
	if c.StorageWorking != "" && c.Storage == "" {
		problems = append(problems, errs.New(errs.Invalid, "storage-working is for installations with storage"))
	}
	if (c.StorageAccessKey == "") != (c.StorageSecretKey == "") {
		problems = append(problems, errs.New(errs.Invalid, "storage-access-key and storage-secret-key must be given together"))
	}
	if (c.BackupAccessKey == "") != (c.BackupSecretKey == "") {
		problems = append(problems, errs.New(errs.Invalid, "backup-access-key and backup-secret-key must be given together"))
	}
	if c.BackupTo != "" && c.BackupAt != "off" && len(c.BackupRecipients) == 0 {
		problems = append(problems, errs.New(errs.Invalid, "backup-to needs backup-recipients: backups are encrypted; probity backup keygen makes a key"))
	}
	return errors.Join(problems...)
}

// Secure reports whether people reach the server over https, directly or through a proxy.
func (c *Config) Secure() bool { return c.ServesTLS() || strings.HasPrefix(c.PublicURL, "https://") }

// ServesTLS reports whether the server itself speaks TLS.
func (c *Config) ServesTLS() bool { return c.TLSCert != "" || len(c.ACMEHosts) > 0 }

// nearest returns the known word with the smallest edit distance to s.
func nearest(s string, known []string) string {
	s = snake(strings.ToLower(s))
	best, distance := "", 1<<30
	for _, k := range known {
		if d := editDistance(s, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
