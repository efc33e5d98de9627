package access

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"probity.dev/internal/errs"
)

// commonPasswords are long enough and still the first ones that anybody tries.
var commonPasswords = map[string]bool{
	"password1234": true, "password12345": true, "passwordpassword": true, "123456789012": true, "1234567890123": true, "qwertyuiop12": true, "qwertyuiop123": true,
	"qwertyuiopas": true, "qwertyqwerty": true, "iloveyou1234": true, "administrator": true, "adminadminadmin": true, "letmeinletmein": true, "changemechangeme": true,
	"correcthorsebatterystaple": true, "abcdefghijkl": true, "abcdefghijklmnop": true, "1q2w3e4r5t6y": true, "1qaz2wsx3edc": true, "probityprobity": true, "welcome12345": true,
}

// Breached knows passwords that have been in a breach. An error says that it could not be found out.
type Breached interface {
	Contains(password string) (bool, error)
}

// guessedFirst are the words that somebody who guesses a person's password begins with.
type guessedFirst struct{ email, name, organisation string }

// checkPassword applies the rules for a new password, which are those of NIST SP 800-63B: it is long enough, of any composition, and nothing that is tried first. The error is Invalid, points at pointer and repeats nothing of the
// password; it is Unavailable when the list of breached passwords cannot be read, because a password that was not compared is not set.
func (s *Service) checkPassword(ctx context.Context, pointer, password string, of guessedFirst) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password):
		return errs.Field(pointer, "wrong_format", "The password must be valid text.")
	case n < MinPassword:
		return errs.Field(pointer, "too_short", "The password must have at least %d characters.", MinPassword)
	case n > MaxPassword:
		return errs.Field(pointer, "too_long", "The password must have at most %d characters.", MaxPassword)
	case commonPasswords[strings.ToLower(password)] || repetitive(password) || sequential(password):
		return errs.Field(pointer, "guessable", "The password is one of the first that anybody tries; choose another.")
	case derived(password, "probity", s.o.Instance, of.organisation, of.name, of.email):
		return errs.Field(pointer, "guessable", "The password is made of names that go with the account, such as the e-mail address, the organisation or Probity; choose another.")
	}
	if s.o.Breached == nil {
		return nil
	}
	for _, spelling := range spellings(password) {
		found, err := s.o.Breached.Contains(spelling)
		if err != nil {
			s.o.Logger.ErrorContext(ctx, "a new password cannot be compared with the list of breached ones, so that none is set", "error", err)
			return errs.New(errs.Unavailable, "New passwords cannot be compared with the list of breached ones at the moment; the operator has to look after it.")
		}
		if found {
			return errs.Field(pointer, "breached", "This password has been in a breach of another site, so that those who guess know it; choose another, and change it wherever else you use it.")
		}
	}
	return nil
}

// wordsOf are the words that go with an account. That the organisation's name cannot be read keeps nobody from choosing a password.
func (s *Service) wordsOf(ctx context.Context, tenant, email, name string) guessedFirst {
	organisation, err := tenantName(ctx, s.o.DB.Read(ctx), tenant)
	if err != nil {
		s.o.Logger.WarnContext(ctx, "the name of a tenant cannot be read", "error", err)
	}
	return guessedFirst{email, name, organisation}
}

// spellings are the password as it was typed and as it is hashed, where those differ.
func spellings(password string) []string {
	if n := norm.NFC.String(password); n != password {
		return []string{password, n}
	}
	return []string{password}
}

// repetitive reports whether fewer than four different characters are used.
func repetitive(s string) bool {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen) < 4
}

// sequential reports whether all but three characters follow the one before them in the order of the alphabet or of the digits, upwards or downwards.
func sequential(s string) bool {
	var last rune
	breaks := 0
	for _, r := range strings.ToLower(s) {
		if d := r - last; d < -1 || d > 1 {
			breaks++
		}
		last = r
	}
	return breaks <= 3
}

// ownCharacters are how many a password must have beside the words that go with its account.
const ownCharacters = 8

// derived reports whether too little is left of a password when the words that go with the account are taken out, also those that are spelt with digits in place of letters.
func derived(password string, texts ...string) bool {
	rest := plain(password)
	found := false
	for _, text := range texts {
		for _, word := range append(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), text) {
			word = plain(word)
			if utf8.RuneCountInString(word) >= 3 && strings.Contains(rest, word) {
				rest, found = strings.ReplaceAll(rest, word, ""), true
			}
		}
	}
	return found && utf8.RuneCountInString(rest) < ownCharacters
}

var leet = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t")

// plain is a text in one spelling: small letters, and those that digits stand for.
func plain(s string) string { return leet.Replace(strings.ToLower(s)) }
