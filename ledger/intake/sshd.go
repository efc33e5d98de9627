package intake

import (
	"regexp"
	"strings"

	"probity.dev/ledger/event"
)

// A rule says what a message means: which programs write it, how it reads, and what it makes of an event. The groups user, ip, by and
// command of its pattern go to the event.
type rule struct {
	program  string // clear name; "" for any
	contains string // a text that every match has, looked for before the pattern is tried
	pattern  *regexp.Regexp
	action   string
	category string
	activity string
	outcome  string
	severity string
	actor    string // type of the actor that group user names; "" when user is not the actor
}

const (
	addr  = `(?P<ip>[0-9a-fA-F:.]+)`
	addr2 = `(?P<ip2>[0-9a-fA-F:.]+)`
	who   = `(?P<user>.*?)`
)

var rules = []rule{
	{"sshd", "Accepted ", re(`^Accepted (?P<method>\S+) for ` + who + ` from ` + addr + ` port`), "ssh.login", "auth", "login", "success", "info", "user"},
	{"sshd", "for invalid user ", re(`^Failed (?P<method>\S+) for invalid user ` + who + ` from ` + addr), "ssh.login", "auth", "login", "failure", "low", "anonymous"},
	{"sshd", "Failed ", re(`^Failed (?P<method>\S+) for ` + who + ` from ` + addr), "ssh.login", "auth", "login", "failure", "low", "user"},
	{"sshd", "nvalid user ", re(`^(?:Invalid|Illegal) user ` + who + ` from ` + addr), "ssh.invalid_user", "auth", "login", "failure", "low", "anonymous"},
	{"sshd", "input_userauth_request", re(`^input_userauth_request: invalid user ` + who + `(?: \[preauth\])?$`), "ssh.userauth_request", "auth", "login", "failure", "info", "anonymous"},
	{"sshd", "POSSIBLE BREAK-IN", re(`^(?:reverse mapping checking getaddrinfo for .* \[` + addr + `\] failed|Address ` + addr2 + ` maps to)`), "ssh.reverse_mapping", "security", "other", "failure", "medium", ""},
	{"sshd", "identification string", re(`^Did not receive identification string from ` + addr), "ssh.no_identification", "security", "other", "failure", "low", ""},
	{"sshd", "isconnect", re(`^(?:Received disconnect|Disconnected) from (?:(?:invalid|authenticating) user ` + who + ` |user (?P<user2>\S+) )?` + addr), "ssh.disconnect", "auth", "other", "success", "info", ""},
	{"sshd", "Connection ", re(`^Connection (?:closed|reset) by (?:(?:invalid|authenticating) user ` + who + ` )?` + addr), "ssh.disconnect", "auth", "other", "success", "info", ""},
	{"sshd", "maximum authentication attempts", re(`maximum authentication attempts exceeded for (?:invalid user )?` + who + ` from ` + addr), "ssh.too_many_attempts", "security", "login", "denied", "medium", "anonymous"},
	{"sshd", "not allowed because", re(`^User ` + who + ` from ` + addr + ` not allowed because`), "ssh.login", "auth", "login", "denied", "low", "user"},
	{"sshd", "fatal: ", re(`^fatal: `), "ssh.error", "system", "other", "failure", "low", ""},
	{"sshd", "Could not write ident", re(`^Could not write ident string to (?:` + addr + `|UNKNOWN)`), "ssh.error", "system", "other", "failure", "low", ""},
	{"sshd", "warning: ", re(`^warning: `), "ssh.error", "system", "other", "failure", "low", ""},
	{"sshd", "Server listening", re(`^Server listening on `), "ssh.listening", "system", "start", "success", "info", ""},
	{"", "session opened for user", re(`session opened for user ` + who + `(?:\(uid=\d+\))?(?: by (?P<by>[^()]*)\(uid=\d+\))?$`), "pam.session_opened", "auth", "login", "success", "info", "user"},
	{"", "session closed for user", re(`session closed for user ` + who + `$`), "pam.session_closed", "auth", "logout", "success", "info", "user"},
	{"", "authentication failure", re(`authentication failure;.*? rhost=(?:` + addr + `)?\S*(?:\s+user=` + who + `)?$`), "pam.authentication", "auth", "login", "failure", "low", "user"},
	{"sudo", "COMMAND=", re(`^\s*` + who + ` : (?P<denied>.*?)(?: ?; )?TTY=.*? ; USER=(?P<by>\S+) ; .*?COMMAND=(?P<command>.*)$`), "sudo.command", "access", "execute", "success", "notice", "user"},
	{"su", "to ", re(`^\(to (?P<by>\S+)\) ` + who + ` on `), "su.switch", "access", "execute", "success", "notice", "user"},
	{"useradd", "new user", re(`^new user: name=(?P<target>[^,]+)`), "account.create", "access", "create", "success", "notice", ""},
	{"userdel", "delete user", re(`^delete user '(?P<target>[^']+)'`), "account.delete", "access", "delete", "success", "notice", ""},
	{"passwd", "password changed", re(`password changed for (?P<target>\S+)`), "account.password_change", "auth", "update", "success", "notice", ""},
}

func re(s string) *regexp.Regexp { return regexp.MustCompile(s) }

// understand refines a generic event by what the program's message says.
func understand(e *event.Event, program, text string) {
	for i := range rules {
		r := &rules[i]
		if r.program != "" && r.program != program || !strings.Contains(text, r.contains) {
			continue
		}
		g := r.pattern.FindStringSubmatch(text)
		if g == nil {
			continue
		}
		e.Action, e.Category, e.Activity = r.action, r.category, r.activity
		e.Outcome.Status, e.Severity = r.outcome, r.severity
		r.fill(e, g)
		return
	}
}

func (r *rule) fill(e *event.Event, groups []string) {
	user := ""
	for i, name := range r.pattern.SubexpNames() {
		v := groups[i]
		if v == "" {
			continue
		}
		switch name {
		case "user", "user2":
			user = v
		case "ip", "ip2":
			if isIP(v) {
				e.Context.IP = v
			}
		case "by", "method", "command":
			e.Data = add(e.Data, name, strings.TrimSpace(v))
		case "target":
			e.Resource = event.Resource{Type: "account", ID: v}
		case "denied":
			e.Outcome = event.Outcome{Status: "denied", Reason: v}
		}
	}
	switch {
	case user != "" && r.actor == "user":
		e.Actor = event.Actor{Type: "user", ID: user}
	case user != "" || r.actor == "anonymous":
		e.Actor = event.Actor{Type: "anonymous", Name: user} // a guess at a name identifies nobody
	case e.Context.IP != "":
		e.Actor = event.Actor{Type: "anonymous"}
	}
}
