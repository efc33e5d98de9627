package config

import (
	"time"
)

// Config holds every setting of the server, parsed and checked.
type Config struct {
	Data               string
	Database           string // secret: the address of a PostgreSQL database; "" for SQLite in Data
	Storage            string // an S3 location, or "" for the data directory
	StorageWorking     string // likewise; "" for the same as Storage
	StorageAccessKey   string // secret
	StorageSecretKey   string // secret
	StorageLock        string // compliance, governance or off
	StorageRetention   time.Duration
	StorageCache       int64  // bytes
	MaxUnsealed        int    // events
	KMS                string // see kms.Parse; "" for the file in Data
	KMSToken           string // secret
	KMSSecretID        string // secret
	Listen             string
	ExportMailFrom     int64  // bytes
	PublicURL          string // without a trailing slash; "" when not set
	InstanceName       string
	TLSCert            string
	ACMEHosts          []string
	ACMEEmail          string
	ACMEDirectory      string
	TLSKey             string
	TrustedProxies     []string // CIDRs and addresses
	ForwardedHeader    string   // x-forwarded-for or forwarded
	LogLevel           string   // debug, info, warn, error
	LogFormat          string   // json, text
	OTLPEndpoint       string
	OTLPHeaders        string // secret: name=value pairs separated by commas
	SentryDSN          string // secret: it holds the key that allows sending
	SentryEnvironment  string
	SealAfter          time.Duration
	CheckpointInterval time.Duration
	QueryThreads       int
	RateLimit          string // see api.ParseRate
	AnonymousRateLimit string
	MaxRequestBytes    int64
	SessionIdle        time.Duration
	SessionAbsolute    time.Duration
	StepUpFor          time.Duration
	InvitationFor      time.Duration
	BreachedPasswords  string // a path; "" for none
	MetricsListen      string
	Drain              time.Duration
	StatusPage         string   // signed-in or public
	OutboundAllow      []string // see outbound.ParseAllow
	SMTPServer         string   // host:port; "" for no e-mail
	SMTPFrom           string
	SMTPUsername       string
	SMTPPassword       string // secret
	SMTPTLS            string // starttls, tls, none
	CatalogFile        string // "" for what is built in alone
	MaskingFile        string
	ScrubAt            string // HH:MM in UTC, or "off"
	BackupTo           string // a folder or an S3 location; "" for no schedule
	BackupAt           string // HH:MM in UTC, or "off"
	BackupRecipients   []string
	BackupKeepDaily    int    // days
	BackupKeepMonthly  int    // months
	BackupAccessKey    string // secret
	BackupSecretKey    string // secret

	sources      map[string]Source
	databaseFlag bool // the address of the database is from the command line
}

// Source says where a setting's value came from.
type Source string

// The sources, from strongest to weakest.
const (
	FromFlag    Source = "flag"
	FromEnv     Source = "environment"
	FromFile    Source = "file"
	FromDefault Source = "default"
)

// Setting is one row of the table of settings.
type Setting struct {
	// Name is the flag's name without dashes, such as "seal-after".
	Name string
	// Type is shown in help and documentation: path, address, url, text, duration, size, number, list, rate, choice, time.
	Type string
	// Default as it would be written; "" when there is none.
	Default string
	// Help is one or two sentences.
	Help string
	// Secret settings are never printed, and can be read from a file named by NAME-file.
	Secret bool
	// Flag lets a secret setting be given on the command line too, because it need not hold anything secret.
	Flag bool

	set func(c *Config, value string) error
	get func(c *Config) string
}

// Env returns the name of the environment variable, such as PROBITY_SEAL_AFTER.
func (s Setting) Env() string { return "PROBITY_" + upperSnake(s.Name) }

// Key returns the key in the YAML file, such as seal_after.
func (s Setting) Key() string { return snake(s.Name) }

// Value is a setting with the value in effect.
type Value struct {
	Setting Setting
	Text    string // "(set)" or "(not set)" for secrets
	Source  Source
}

// Values lists every setting with the value in effect and where it came from. Secrets are not shown.
func (c *Config) Values() []Value {
	settings := Settings()
	out := make([]Value, 0, len(settings))
	for _, s := range settings {
		v := Value{Setting: s, Text: s.get(c), Source: c.sources[s.Name]}
		if v.Source == "" {
			v.Source = FromDefault
		}
		if s.Secret {
			if v.Text == "" {
				v.Text = "(not set)"
			} else {
				v.Text = "(set)"
			}
		}
		out = append(out, v)
	}
	return out
}
