package access

import (
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"probity.dev/access/role"
	"probity.dev/internal/errs"
)

// User is a person with a local account.
type User struct {
	ID          string
	TenantID    string
	Email       string
	Name        string
	Role        string   // the weightiest of Roles, "" without any
	Roles       []string // in force in the whole tenant, by weight
	CreatedAt   time.Time
	LockedAt    time.Time // zero when not locked
	LastLoginAt time.Time // zero when never
	// Factors is how many factors the person has besides the password. Only [Service.Users] fills it in.
	Factors int

	rights role.Rights
}

// Locked reports whether the person is shut out.
func (u User) Locked() bool { return !u.LockedAt.IsZero() }

const (
	maxEmail = 254 // RFC 5321's limit of a path, less its brackets
	maxName  = 100 // characters
)

// checkEmail returns the address in the form in which it is compared: trimmed and lower-cased. It refuses display names and anything that is not a plain mailbox.
func checkEmail(email string) (string, error) {
	email = strings.TrimSpace(email)
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email || a.Name != "" || len(email) > maxEmail || !strings.Contains(email, "@") {
		return "", errs.Field("/email", "wrong_format", "The e-mail address is not valid.")
	}
	return normalEmail(email), nil
}

// normalEmail is also applied to what people type when they sign in; it never fails.
func normalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	n := utf8.RuneCountInString(name)
	if n == 0 || n > maxName || !utf8.ValidString(name) || strings.IndexFunc(name, unicode.IsControl) >= 0 {
		return "", errs.Field("/name", "wrong_format", "Give a name of 1 to %d characters.", maxName)
	}
	return name, nil
}
