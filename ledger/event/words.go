package event

import "strings"

// verbs maps what producers call things to Activities. Keys are lower-case; past forms are added below.
var verbs = func() map[string]string {
	table := map[string]string{
		"create":  "create add insert register new make put post generate issue open book place append provision allocate run_instances upload clone copy import_key invite enroll enrol subscribe sign_up signup assign_id attach tag",
		"read":    "read get list view describe download head search query lookup show fetch browse scan select preview print access batchget peek check test simulate validate verify inspect decrypt",
		"update":  "update edit change set modify patch replace rename move upsert adjust correct amend merge reset rotate restore revert reschedule confirm complete close resolve reopen refund void pay settle mark flag escalate assign reassign transfer convert sync renew extend untag detach associate disassociate configure write save sign mask encrypt",
		"delete":  "delete remove destroy purge drop erase clear cancel terminate deregister unregister unsubscribe forget wipe shred discard archive expire",
		"login":   "login signin logon log_in sign_in log_on authenticate authn assumerole assume_role consolelogin mfa accept",
		"logout":  "logout signout logoff log_out sign_out log_off disconnect end_session",
		"export":  "export dump extract exfiltrate backup unload",
		"import":  "import ingest load",
		"share":   "share publish expose",
		"grant":   "grant authorize authorise allow permit promote delegate",
		"revoke":  "revoke withdraw unshare deauthorize demote unassign deny_access",
		"approve": "approve sign_off signoff accept_request release",
		"deny":    "deny reject block refuse decline forbid quarantine",
		"execute": "execute run invoke call trigger perform apply deploy process sudo command calculate evaluate",
		"start":   "start begin boot launch resume initiate schedule connect",
		"stop":    "stop end shutdown halt abort pause suspend finish reboot restart",
		"enable":  "enable activate turn_on unmask",
		"disable": "disable deactivate turn_off",
		"lock":    "lock freeze hold",
		"unlock":  "unlock unfreeze unhold unblock",
		"send":    "send notify email mail deliver dispatch forward emit broadcast message reply",
		"other":   "other unknown none",
	}
	irregular := map[string]string{"read": "viewed", "send": "sent", "create": "made", "execute": "ran", "grant": "given"}
	m := make(map[string]string, 500)
	for activity, words := range table {
		for _, w := range strings.Fields(words) {
			m[w] = activity
			if p := past(w); m[p] == "" {
				m[p] = activity
			}
		}
		if p := irregular[activity]; p != "" {
			m[p] = activity
		}
	}
	for w, a := range map[string]string{"written": "update", "paid": "update", "hidden": "update", "sold": "update", "signed_in": "login", "logged_in": "login",
		"signed_out": "logout", "logged_out": "logout", "put": "create", "set": "update", "reset": "update", "read": "read", "begun": "start", "taken": "other",
		"cancelled": "delete", "enrolled": "create"} {
		m[w] = a
	}
	return m
}()

func past(w string) string {
	switch last := w[len(w)-1]; {
	case last == 'e':
		return w + "d"
	case last == 'y' && len(w) > 2 && strings.IndexByte("aeiou", w[len(w)-2]) < 0:
		return w[:len(w)-1] + "ied"
	case strings.IndexByte("pgtn", last) >= 0 && len(w) <= 6 && len(w) > 2 && strings.IndexByte("aeiou", w[len(w)-2]) >= 0 &&
		strings.IndexByte("aeiou", w[len(w)-3]) < 0 && w != "open" && w != "assign" && w != "edit" && w != "enrol":
		return w + string(last) + "ed"
	default:
		return w + "ed"
	}
}

// ActivityOf derives an activity from an action such as "invoice.update", "s3.DeleteBucket" or "order_cancelled": from its last part,
// whole, or else from the first of its words that is a known verb, the last word first when it is in the past tense. It is "other"
// when none is known.
func ActivityOf(action string) string {
	verb := action
	for i := len(verb) - 1; i >= 0; i-- {
		if separates(verb[i]) {
			if i < len(verb)-1 {
				verb = verb[i+1:]
			}
			break
		}
	}
	if len(verb) > MaxClear {
		return "other"
	}
	if a, ok := verbs[verb]; ok {
		return a
	}
	var words [16]string
	n := splitWords(verb, words[:])
	if n == 0 {
		return "other"
	}
	if n > 1 {
		if a, ok := verbs[words[0]+"_"+words[1]]; ok {
			return a
		}
		if last := words[n-1]; strings.HasSuffix(last, "ed") {
			if a, ok := verbs[last]; ok {
				return a
			}
		}
	}
	for _, w := range words[:n] {
		if a, ok := verbs[w]; ok {
			return a
		}
	}
	return "other"
}

// splitWords splits at anything but letters and digits and before capitals, lower-casing; "BatchGetItem" is batch, get, item.
func splitWords(s string, dst []string) int {
	n, start := 0, 0
	cut := func(end int) {
		if end > start && n < len(dst) {
			dst[n] = strings.ToLower(s[start:end])
			n++
		}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		upper := c >= 'A' && c <= 'Z'
		switch {
		case upper && i > start && !(s[i-1] >= 'A' && s[i-1] <= 'Z' && (i+1 == len(s) || !lower(s[i+1]))):
			cut(i)
			start = i
		case !upper && !lower(c) && (c < '0' || c > '9'):
			cut(i)
			start = i + 1
		}
	}
	cut(len(s))
	return n
}

func lower(c byte) bool { return c >= 'a' && c <= 'z' }

// categories maps a word of an action to a category; the first word that is known decides.
var categories = func() map[string]string {
	m := map[string]string{}
	for c, words := range map[string]string{
		"auth": "auth login logout session sessions mfa otp totp password passwords credential credentials signin sso saml oidc ssh sshd token tokens webauthn passkey",
		"access": "role roles permission permissions access rbac policy policies group groups membership member apikey api_key api_keys key keys acl iam sudo grant " +
			"user_role account_role invitation impersonation",
		"config":   "config configuration setting settings feature flag preference preferences template webhook integration schema tenant plan environment",
		"system":   "system server job jobs cron migration deployment deploy cluster node instance database backup health scheduler worker queue",
		"security": "security fraud risk alert alerts threat malware firewall waf intrusion vulnerability incident anomaly",
		"governance": "consent consents retention legal_hold hold holds privacy dsar erasure compliance audit audit_log ledger log_export matter disposition " +
			"governance checkpoint notice",
	} {
		for _, w := range strings.Fields(words) {
			m[w] = c
		}
	}
	return m
}()

// separates reports whether c stands between the parts of an action.
func separates(c byte) bool { return c == '.' || c == ':' || c == '/' }

// CategoryOf derives a category from a clear action and its activity: sign-in and sign-out are auth, grants and revocations are
// access unless the action's first part says otherwise, and whatever says nothing is data.
func CategoryOf(action, activity string) string {
	start := 0
	for i := 0; i <= len(action); i++ {
		if i < len(action) && !separates(action[i]) {
			continue
		}
		if c, ok := categories[action[start:i]]; ok {
			return c
		}
		start = i + 1
	}
	switch activity {
	case "login", "logout":
		return "auth"
	case "grant", "revoke":
		return "access"
	}
	return "data"
}

// The synonyms of the fixed words.
var (
	outcomeWords = map[string]string{
		"ok": "success", "succeeded": "success", "successful": "success", "pass": "success", "passed": "success", "accepted": "success", "allowed": "success",
		"fail": "failure", "failed": "failure", "error": "failure", "errored": "failure",
		"deny": "denied", "blocked": "denied", "forbidden": "denied", "rejected": "denied", "unauthorized": "denied", "refused": "denied",
	}
	severityWords = map[string]string{
		"trace": "debug", "informational": "info", "information": "info", "warn": "low", "warning": "low", "error": "medium", "err": "medium",
		"alert": "high", "major": "high", "minor": "low", "emergency": "critical", "emerg": "critical", "fatal": "critical", "crit": "critical",
	}
	actorWords = map[string]string{
		"human": "user", "person": "user", "service": "service_account", "serviceaccount": "service_account", "service-account": "service_account",
		"machine": "service_account", "application": "service_account", "app": "service_account", "apikey": "api_key", "api-key": "api_key",
		"bot": "agent", "robot": "agent", "assistant": "agent", "anon": "anonymous", "guest": "anonymous", "unknown": "anonymous",
	}
	categoryWords = map[string]string{
		"authentication": "auth", "authorization": "access", "authorisation": "access", "iam": "access", "configuration": "config", "administrative": "config",
		"admin": "config", "crud": "data", "business": "data", "compliance": "governance", "privacy": "governance",
	}
)
