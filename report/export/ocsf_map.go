package export

import (
	"bytes"
	"strings"

	"probity.dev/ledger/event"
)

// ocsfClass is an OCSF event class; uid is category*1000 + the class's own number.
type ocsfClass struct {
	uid, category      int64
	name, categoryName string
	activities         map[string]int64 // by our activity
	names              map[int64]string
}

var apiActivity = ocsfClass{uid: 6003, category: 6, name: "API Activity", categoryName: "Application Activity",
	activities: map[string]int64{"create": 1, "import": 1, "read": 2, "export": 2, "update": 3, "delete": 4},
	names:      map[int64]string{1: "Create", 2: "Read", 3: "Update", 4: "Delete"}}

var entityManagement = ocsfClass{uid: 3004, category: 3, name: "Entity Management", categoryName: "Identity & Access Management",
	activities: map[string]int64{"create": 1, "import": 1, "read": 2, "export": 2, "update": 3, "delete": 4, "enable": 8, "disable": 9,
		"start": 10, "stop": 11, "lock": 12, "unlock": 13},
	names: map[int64]string{1: "Create", 2: "Read", 3: "Update", 4: "Delete", 8: "Enable", 9: "Disable", 10: "Activate",
		11: "Deactivate", 12: "Suspend", 13: "Resume"}}

var authentication = ocsfClass{uid: 3002, category: 3, name: "Authentication", categoryName: "Identity & Access Management",
	activities: map[string]int64{"login": 1, "logout": 2},
	names:      map[int64]string{1: "Logon", 2: "Logoff"}}

var accountChange = ocsfClass{uid: 3001, category: 3, name: "Account Change", categoryName: "Identity & Access Management",
	activities: map[string]int64{"create": 1, "enable": 2, "disable": 5, "delete": 6, "grant": 7, "revoke": 8, "lock": 9, "unlock": 12},
	names: map[int64]string{1: "Create", 2: "Enable", 3: "Password Change", 4: "Password Reset", 5: "Disable", 6: "Delete",
		7: "Attach Policy", 8: "Detach Policy", 9: "Lock", 10: "MFA Factor Enable", 11: "MFA Factor Disable", 12: "Unlock"}}

type ocsfMapping struct {
	class        *ocsfClass
	activity     int64
	activityName string
}

// classify chooses the OCSF class and activity of an event from its category and activity. Where OCSF has no such activity it is 99
// (Other), and the name is our own word, as the schema asks.
func classify(r *event.Record) ocsfMapping {
	class := &apiActivity
	switch {
	case r.Activity == "login" || r.Activity == "logout":
		class = &authentication
	case r.Category == "auth" || r.Category == "access":
		class = authClass(r)
	case r.Category == "config" || r.Category == "governance":
		class = &entityManagement
	}
	id, ok := class.activities[r.Activity]
	if class == &accountChange {
		if special := accountActivity(r); special != 0 {
			id, ok = special, true
		}
	}
	if !ok {
		return ocsfMapping{class, 99, other(r.Activity)}
	}
	return ocsfMapping{class, id, class.names[id]}
}

func other(activity string) string {
	if activity == "" || activity == "other" {
		return "Other"
	}
	return activity
}

func authClass(r *event.Record) *ocsfClass {
	switch {
	case r.Activity == "read" || r.Activity == "export":
		return &entityManagement
	case r.Category == "access" || accountChange.activities[r.Activity] != 0 || r.Activity == "update":
		return &accountChange
	}
	return &authentication
}

// accountActivity finds the password and second-factor activities, which our own words do not tell apart.
func accountActivity(r *event.Record) int64 {
	switch {
	case strings.Contains(r.Action, "password") && strings.Contains(r.Action, "reset"):
		return 4
	case strings.Contains(r.Action, "password") && r.Activity == "update":
		return 3
	case strings.Contains(r.Action, "mfa") && (r.Activity == "enable" || r.Activity == "create"):
		return 10
	case strings.Contains(r.Action, "mfa") && (r.Activity == "disable" || r.Activity == "delete"):
		return 11
	}
	return 0
}

// looksLikeIP tells an address from a masked one without parsing it: OCSF's ip_t takes only the former.
func looksLikeIP(v []byte) bool {
	if len(v) < 4 || v[0] != '"' || len(v) > 42 {
		return false
	}
	dots, colons := 0, 0
	for _, c := range v[1 : len(v)-1] {
		switch {
		case c == '.':
			dots++
		case c == ':':
			colons++
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return dots == 3 || colons >= 2
}

// looksLikeEmail tells an address that OCSF's email_t takes from one that is masked beyond recognition.
func looksLikeEmail(v []byte) bool {
	if len(v) < 7 || v[0] != '"' {
		return false
	}
	v = v[1 : len(v)-1]
	at := bytes.IndexByte(v, '@')
	if at < 1 || at != bytes.LastIndexByte(v, '@') {
		return false
	}
	for _, c := range v[:at] {
		if c <= ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '[' || c == ']' || c >= 0x7f {
			return false
		}
	}
	host := v[at+1:]
	for _, c := range host {
		if c != '.' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	dot := bytes.IndexByte(host, '.')
	return dot > 0 && dot < len(host)-1
}
