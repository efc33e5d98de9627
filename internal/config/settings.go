package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
	"probity.dev/internal/kms"
	"probity.dev/internal/outbound"
)

// Settings returns the table of settings in the order of the documentation.
func Settings() []Setting {
	return slices.Concat(storageSettings(), objectSettings(), backupSettings(), keySettings(), networkSettings(), limitSettings(), privacySettings(), notifySettings(), observeSettings())
}

func storageSettings() []Setting {
	database := text("database", "url", "", "PostgreSQL database (15 or later) that holds what is not in files, such as postgres://probity@db.example.com/probity?sslmode=verify-full. When empty, a database in the data directory.",
		func(c *Config) *string { return &c.Database }, optional(postgresURL))
	database.Secret, database.Flag = true, true
	return []Setting{
		text("data", "path", "./data", "Directory that holds everything the server keeps, sealed files and exports excepted when storage is set. Every server has its own.",
			func(c *Config) *string { return &c.Data }, notEmpty),
		database,
		text("instance-name", "text", "probity.local", "Name of this installation, first part of the origin of every log. It is fixed when a log is created; a domain name of yours is a good choice.",
			func(c *Config) *string { return &c.InstanceName }, instanceName),
		duration("seal-after", "24h", "Age after which recent events are moved to sealed files even when a block of 65,536 is not full.",
			func(c *Config) *time.Duration { return &c.SealAfter }, 100*time.Millisecond, 90*24*time.Hour),
		number("max-unsealed", "5000000", "Events of a log that may wait to be moved to sealed files, when the storage does not answer for instance; beyond it, no more are taken (503). They take about 0.3 kB of memory each.",
			func(c *Config) *int { return &c.MaxUnsealed }, 100_000, 1_000_000_000),
		duration("checkpoint-interval", "500ms", "Longest time between a change of the log and the signed checkpoint that covers it.",
			func(c *Config) *time.Duration { return &c.CheckpointInterval }, 10*time.Millisecond, time.Minute),
		number("query-threads", "2", "Threads that searches over sealed files may use together.",
			func(c *Config) *int { return &c.QueryThreads }, 1, 256),
		text("scrub-at", "time", "02:30", "Time of day (HH:MM, UTC) at which the log and its working copies are verified; \"off\" never.",
			func(c *Config) *string { return &c.ScrubAt }, timeOfDay),
	}
}

// objectSettings are those of an object store in the place of the data directory.
func objectSettings() []Setting {
	access := text("storage-access-key", "text", "", "Access key of the object store. Without it, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the file ~/.aws/credentials and the machine's role are asked.",
		func(c *Config) *string { return &c.StorageAccessKey }, nil)
	secret := text("storage-secret-key", "text", "", "Secret key that belongs to storage-access-key.",
		func(c *Config) *string { return &c.StorageSecretKey }, nil)
	access.Secret, secret.Secret = true, true
	return []Setting{
		text("storage", "url", "", "Where sealed files and exports are kept: s3://bucket/prefix?endpoint=https://host:port&region=name, or the data directory when empty. The bucket must have Object Lock, see storage-lock.",
			func(c *Config) *string { return &c.Storage }, optional(location)),
		text("storage-working", "url", "", "Where working copies and exports are kept, which must be deletable: a location like storage, and the same when empty. Its bucket must not lock objects by default.",
			func(c *Config) *string { return &c.StorageWorking }, optional(location)),
		access, secret,
		text("storage-lock", "choice", "compliance", "How evidence in an object store is locked: compliance (nobody can delete it before its time), governance (accounts with a permission of their own can) or off.",
			func(c *Config) *string { return &c.StorageLock }, oneOf("compliance", "governance", "off")),
		duration("storage-retention", "365d", "How long evidence in an object store is locked, from its sealing. It can be lengthened later, not shortened.",
			func(c *Config) *time.Duration { return &c.StorageRetention }, 24*time.Hour, 100*365*24*time.Hour),
		size("storage-cache", "4GiB", "Local copies, in the data directory, of sealed files in an object store. Those used longest ago go first.",
			func(c *Config) *int64 { return &c.StorageCache }, 64<<20, 1<<50),
	}
}

// keySettings are those of the master key.
func keySettings() []Setting {
	token := text("kms-token", "text", "", "Token for Vault, when kms names no file that holds one and no role.", func(c *Config) *string { return &c.KMSToken }, nil)
	secret := text("kms-secret-id", "text", "", "Secret id of the role for Vault (AppRole) that kms names.", func(c *Config) *string { return &c.KMSSecretID }, nil)
	token.Secret, secret.Secret = true, true
	return []Setting{
		text("kms", "url", "", "Where the master key is: file:PATH, vault://HOST[:PORT]/MOUNT/KEY (transit engine of Vault or OpenBao) or awskms:ARN; keys/master.key in the data directory when empty. "+
			"See docs/operators.md for the options. Keys are moved from one to another with probity keys rewrap.",
			func(c *Config) *string { return &c.KMS }, optional(keyLocation)),
		token, secret,
	}
}

func keyLocation(v string) (string, error) {
	if _, err := kms.Parse(v); err != nil {
		return "", errors.New(errs.Message(err))
	}
	return v, nil
}

func backupSettings() []Setting {
	access := text("backup-access-key", "text", "", "Access key of the object store that backups go to; found like storage-access-key when empty. It should not be able to delete what it has not written.",
		func(c *Config) *string { return &c.BackupAccessKey }, nil)
	secret := text("backup-secret-key", "text", "", "Secret key that belongs to backup-access-key.",
		func(c *Config) *string { return &c.BackupSecretKey }, nil)
	access.Secret, secret.Secret = true, true
	return []Setting{
		text("backup-to", "path or url", "", "Where backups go: a folder, on another disk than the data, or s3://bucket/prefix?endpoint=https://host:port&region=name. The server makes none when empty.",
			func(c *Config) *string { return &c.BackupTo }, optional(destination)),
		text("backup-at", "time", "03:30", "Time of day (HH:MM, UTC) at which the server makes a backup; \"off\" never.",
			func(c *Config) *string { return &c.BackupAt }, timeOfDay),
		list("backup-recipients", "Public keys (age1…) that backups are encrypted to; any one of the private keys opens them. probity backup keygen makes a pair.",
			func(c *Config) *[]string { return &c.BackupRecipients }, recipient),
		number("backup-keep-daily", "14", "Of how many days the newest backup is kept.",
			func(c *Config) *int { return &c.BackupKeepDaily }, 1, 3660),
		number("backup-keep-monthly", "0", "Of how many months the newest backup is kept besides. What is erased stays in a backup until it is pruned.",
			func(c *Config) *int { return &c.BackupKeepMonthly }, 0, 1200),
		access, secret,
	}
}

// destination is a folder or a location.
func destination(v string) (string, error) {
	if strings.HasPrefix(v, "s3://") {
		return location(v)
	}
	if strings.Contains(v, "://") {
		return "", errors.New("must be a folder or a location such as s3://bucket/prefix")
	}
	return v, nil
}

func recipient(v string) error {
	if !strings.HasPrefix(v, "age1") {
		return errors.New("must be age public keys, which begin with age1") // what is here instead may be the private key
	}
	return nil
}

func location(v string) (string, error) {
	_, err := blob.ParseLocation(v)
	if err != nil {
		return "", errors.New(errs.Message(err))
	}
	return v, nil
}

func networkSettings() []Setting {
	return []Setting{
		text("listen", "address", "127.0.0.1:8780", "Address and port to serve on. Anything but the local machine should be behind TLS.",
			func(c *Config) *string { return &c.Listen }, hostPort),
		text("public-url", "url", "", "Address under which people and applications reach the server, for links and for the check of where browser requests come from. With https, cookies are Secure.",
			func(c *Config) *string { return &c.PublicURL }, publicURL),
		text("tls-cert", "path", "", "PEM file with the certificate chain; serves TLS 1.3 itself. Read again when it changes.",
			func(c *Config) *string { return &c.TLSCert }, nil),
		text("tls-key", "path", "", "PEM file with the certificate's private key.",
			func(c *Config) *string { return &c.TLSKey }, nil),
		list("acme-hosts", "Names under which the server is reached at port 443, for which it gets certificates by itself, by ACME (RFC 8555, TLS-ALPN-01), in the place of tls-cert. Setting it accepts the authority's terms.",
			func(c *Config) *[]string { return &c.ACMEHosts }, hostName),
		text("acme-email", "address", "", "Where the authority writes to about the certificates.",
			func(c *Config) *string { return &c.ACMEEmail }, nil),
		text("acme-directory", "url", "", "Directory of another authority than Let's Encrypt. Its own certificate must be one that the machine trusts (or SSL_CERT_FILE).",
			func(c *Config) *string { return &c.ACMEDirectory }, httpsURL),
		duration("drain", "0s", "How long a server that is told to stop goes on accepting requests while /readyz says that it is stopping. Behind a load balancer, longer than the balancer takes to notice.",
			func(c *Config) *time.Duration { return &c.Drain }, 0, 5*time.Minute),
		list("trusted-proxies", "Networks (CIDR) and addresses of your own proxies, whose word on the client's address is taken.",
			func(c *Config) *[]string { return &c.TrustedProxies }, network),
		text("forwarded-header", "choice", "x-forwarded-for", "The one header in which trusted proxies name the client: x-forwarded-for or forwarded (RFC 7239). The other is ignored, since a proxy passes it through unchecked.",
			func(c *Config) *string { return &c.ForwardedHeader }, oneOf("x-forwarded-for", "forwarded")),
	}
}

func limitSettings() []Setting {
	return []Setting{
		text("rate-limit", "rate", "20000/s", "Requests of one API key or user, such as 50/s or 3000/m; 0 for no limit.",
			func(c *Config) *string { return &c.RateLimit }, rate),
		text("anonymous-rate-limit", "rate", "50/s", "Requests without a valid credential from one address (one /64 network for IPv6); 0 for no limit.",
			func(c *Config) *string { return &c.AnonymousRateLimit }, rate),
		size("max-request-bytes", "8MiB", "Largest request body after decompression, streams excepted.",
			func(c *Config) *int64 { return &c.MaxRequestBytes }, 64<<10, 1<<30),
		duration("session-idle", "30m", "A console session ends after this time without a request.",
			func(c *Config) *time.Duration { return &c.SessionIdle }, time.Minute, 30*24*time.Hour),
		duration("session-absolute", "12h", "A console session ends this long after signing in, whatever happens.",
			func(c *Config) *time.Duration { return &c.SessionAbsolute }, time.Minute, 90*24*time.Hour),
		duration("step-up-for", "5m", "How long a person who has just proved who they are may do what is grave (make API keys, change users and roles, export unmasked data, rotate keys, release holds) before they are asked again.",
			func(c *Config) *time.Duration { return &c.StepUpFor }, time.Minute, 12*time.Hour),
		duration("invitation-for", "72h", "How long the link works with which somebody who is invited sets a password.",
			func(c *Config) *time.Duration { return &c.InvitationFor }, time.Hour, 30*24*time.Hour),
		text("breached-passwords", "path", "", "List of passwords that have been in a breach, which nobody may choose: the file of Have I Been Pwned that is ordered by hash (SHA1:COUNT). It is searched where it lies, never loaded. None when empty. See docs/operators.md.",
			func(c *Config) *string { return &c.BreachedPasswords }, nil),
	}
}

func privacySettings() []Setting {
	return []Setting{
		text("catalog-file", "path", "", "YAML file that says which fields of which actions are personal, read at start; its rules come before the built-in ones. What is recorded already keeps its class. See docs/operators.md.",
			func(c *Config) *string { return &c.CatalogFile }, nil),
		text("masking-file", "path", "", "YAML file that says what each role sees of personal values, read at start; roles that it does not name keep the built-in policy. See docs/operators.md.",
			func(c *Config) *string { return &c.MaskingFile }, nil),
	}
}

func notifySettings() []Setting {
	password := text("smtp-password", "text", "", "Password for the mail server.", func(c *Config) *string { return &c.SMTPPassword }, nil)
	password.Secret = true
	return []Setting{
		list("outbound-allow", "Networks (10.0.0.0/8), addresses and hosts (splunk.internal:8088, *.corp.example) that webhooks and chat channels may lead to although they are not on the public Internet, over plain http too. Everybody who may set up channels can have the server talk to them.",
			func(c *Config) *[]string { return &c.OutboundAllow }, outbound.ParseAllow),
		text("smtp-server", "address", "", "Host and port of the mail server that takes notifications, such as mail.example.com:587. No e-mail when empty.",
			func(c *Config) *string { return &c.SMTPServer }, optional(hostPort)),
		text("smtp-from", "text", "", "Address that e-mail is sent from.",
			func(c *Config) *string { return &c.SMTPFrom }, nil),
		size("export-mail-from", "10MB", "Exports of this size and more are e-mailed, as a download link, to the user who asked for them. It needs smtp-server and public-url.",
			func(c *Config) *int64 { return &c.ExportMailFrom }, 0, 1<<50),
		text("smtp-username", "text", "", "User name for the mail server; no sign-in when empty.",
			func(c *Config) *string { return &c.SMTPUsername }, nil),
		password,
		text("smtp-tls", "choice", "starttls", "How the connection to the mail server is protected: starttls (required, not tried), tls (from the first byte) or none (for a relay on this machine).",
			func(c *Config) *string { return &c.SMTPTLS }, oneOf("starttls", "tls", "none")),
	}
}

func observeSettings() []Setting {
	otlpHeaders := text("otlp-headers", "text", "", "Headers sent to the collector, as name=value pairs separated by commas.",
		func(c *Config) *string { return &c.OTLPHeaders }, headerPairs)
	sentryDSN := text("sentry-dsn", "url", "", "Where panics, answers of status 500 and above and failures in the background are reported, over the Sentry protocol, such as https://KEY@sentry.example.com/1. They hold types, places in the program, routes and ids, no text of an error and no value of a request. Nowhere when empty.",
		func(c *Config) *string { return &c.SentryDSN }, optional(dsn))
	otlpHeaders.Secret, sentryDSN.Secret = true, true
	return []Setting{
		text("log-level", "choice", "info", "Least level that is logged: debug, info, warn or error.",
			func(c *Config) *string { return &c.LogLevel }, oneOf("debug", "info", "warn", "error")),
		text("log-format", "choice", "json", "Form of log lines: json or text.",
			func(c *Config) *string { return &c.LogFormat }, oneOf("json", "text")),
		text("metrics-listen", "address", "", "Address and port to serve /metrics and /debug/pprof/ on, without credentials. When empty, /metrics is served on the main address, to callers with settings.manage.",
			func(c *Config) *string { return &c.MetricsListen }, optional(hostPort)),
		text("status-page", "choice", "signed-in", "Who may see /status and /api/status, which say how available the service was and what is degraded: signed-in or public. They name no tenant.",
			func(c *Config) *string { return &c.StatusPage }, oneOf("signed-in", "public")),
		text("otlp-endpoint", "url", "", "OpenTelemetry collector that receives traces over OTLP/HTTP, such as http://localhost:4318. No traces when empty.",
			func(c *Config) *string { return &c.OTLPEndpoint }, optional(httpURL)),
		otlpHeaders, sentryDSN,
		text("sentry-environment", "text", "production", "What errors are filed under beside the release, such as production or staging.",
			func(c *Config) *string { return &c.SentryEnvironment }, notEmpty),
	}
}

func text(name, typ, def, help string, field func(*Config) *string, check func(string) (string, error)) Setting {
	return Setting{Name: name, Type: typ, Default: def, Help: help,
		get: func(c *Config) string { return *field(c) },
		set: func(c *Config, v string) error {
			v = strings.TrimSpace(v)
			if check != nil {
				var err error
				if v, err = check(v); err != nil {
					return err
				}
			}
			*field(c) = v
			return nil
		}}
}

func duration(name, def, help string, field func(*Config) *time.Duration, lo, hi time.Duration) Setting {
	return Setting{Name: name, Type: "duration", Default: def, Help: help,
		get: func(c *Config) string { return FormatDuration(*field(c)) },
		set: func(c *Config, v string) error {
			d, err := ParseDuration(v)
			if err != nil {
				return err
			}
			if d < lo || d > hi {
				return fmt.Errorf("must be between %s and %s", FormatDuration(lo), FormatDuration(hi))
			}
			*field(c) = d
			return nil
		}}
}

func size(name, def, help string, field func(*Config) *int64, lo, hi int64) Setting {
	return Setting{Name: name, Type: "size", Default: def, Help: help,
		get: func(c *Config) string { return FormatSize(*field(c)) },
		set: func(c *Config, v string) error {
			n, err := ParseSize(v)
			if err != nil {
				return err
			}
			if n < lo || n > hi {
				return fmt.Errorf("must be between %s and %s", FormatSize(lo), FormatSize(hi))
			}
			*field(c) = n
			return nil
		}}
}

func number(name, def, help string, field func(*Config) *int, lo, hi int) Setting {
	return Setting{Name: name, Type: "number", Default: def, Help: help,
		get: func(c *Config) string { return strconv.Itoa(*field(c)) },
		set: func(c *Config, v string) error {
			n, err := strconv.Atoi(strings.TrimSpace(v))
			if err != nil || n < lo || n > hi {
				return fmt.Errorf("must be a whole number between %d and %d", lo, hi)
			}
			*field(c) = n
			return nil
		}}
}

func list(name, help string, field func(*Config) *[]string, check func(string) error) Setting {
	return Setting{Name: name, Type: "list", Help: help,
		get: func(c *Config) string { return strings.Join(*field(c), ",") },
		set: func(c *Config, v string) error {
			var out []string
			for item := range strings.SplitSeq(v, ",") {
				if item = strings.TrimSpace(item); item == "" {
					continue
				}
				if err := check(item); err != nil {
					return err
				}
				out = append(out, item)
			}
			*field(c) = out
			return nil
		}}
}

func optional(check func(string) (string, error)) func(string) (string, error) {
	return func(v string) (string, error) {
		if v == "" {
			return "", nil
		}
		return check(v)
	}
}

func notEmpty(v string) (string, error) {
	if v == "" {
		return "", fmt.Errorf("must not be empty")
	}
	return v, nil
}

var instancePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)

func instanceName(v string) (string, error) {
	if !instancePattern.MatchString(v) {
		return "", fmt.Errorf("must be 1 to 63 of a-z, 0-9, dot and hyphen, such as audit.example.com")
	}
	return v, nil
}

func hostPort(v string) (string, error) {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return "", fmt.Errorf("must be an address and a port, such as 127.0.0.1:8780 or :8780")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return "", fmt.Errorf("the port must be a number up to 65535")
	}
	return v, nil
}

func publicURL(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("must be an address without a path, such as https://audit.example.com")
	}
	return u.Scheme + "://" + u.Host, nil
}

func postgresURL(v string) (string, error) {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return "", fmt.Errorf("must be like postgres://user@host:5432/database")
	}
	return v, nil
}

// hasPassword reports whether the address of a database holds a password.
func hasPassword(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	_, set := u.User.Password()
	return set || u.Query().Has("password") || u.Query().Has("sslpassword")
}

func httpURL(v string) (string, error) {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", fmt.Errorf("must be an http or https address")
	}
	return v, nil
}

func dsn(v string) (string, error) {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User.Username() == "" || strings.Trim(u.Path, "/") == "" {
		return "", fmt.Errorf("must be like https://KEY@sentry.example.com/1")
	}
	return v, nil
}

// httpsURL is for addresses of services that are only spoken to over TLS.
func httpsURL(v string) (string, error) {
	u, err := url.Parse(v)
	if v != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil) {
		return "", fmt.Errorf("must be an https address")
	}
	return v, nil
}

// hostName is for names that an authority would certify: with a dot, and no wildcard, which TLS-ALPN-01 cannot prove.
func hostName(v string) error {
	if _, err := netip.ParseAddr(v); err == nil || len(v) > 253 || !strings.Contains(v, ".") || strings.ContainsAny(v, "*:/ @") || v != strings.ToLower(v) {
		return fmt.Errorf("%q is not a host name such as audit.example.com", v)
	}
	return nil
}

func network(v string) error {
	if _, err := netip.ParseAddr(v); err == nil {
		return nil
	}
	if _, err := netip.ParsePrefix(v); err == nil {
		return nil
	}
	return fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", v)
}

func oneOf(words ...string) func(string) (string, error) {
	return func(v string) (string, error) {
		v = strings.ToLower(v)
		if !slices.Contains(words, v) {
			return "", fmt.Errorf("must be one of %s", strings.Join(words, ", "))
		}
		return v, nil
	}
}

var ratePattern = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(/[smh])?$`)

func rate(v string) (string, error) {
	if !ratePattern.MatchString(v) {
		return "", fmt.Errorf("must be a rate such as 50/s, 3000/m or 0 for none")
	}
	return v, nil
}

func timeOfDay(v string) (string, error) {
	if v == "off" {
		return v, nil
	}
	if _, err := time.Parse("15:04", v); err != nil {
		return "", fmt.Errorf("must be a time of day such as 02:30, or off")
	}
	return v, nil
}

func headerPairs(v string) (string, error) {
	for pair := range strings.SplitSeq(v, ",") {
		if name, _, ok := strings.Cut(pair, "="); v != "" && (!ok || strings.TrimSpace(name) == "") {
			return "", fmt.Errorf("must be name=value pairs separated by commas")
		}
	}
	return v, nil
}
