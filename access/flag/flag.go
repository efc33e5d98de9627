package flag

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"probity.dev/internal/errs"
)

// Flag is a switch of a tenant.
type Flag struct {
	Name string `json:"name"`
	Definition
	ChangedAt time.Time `json:"changed_at"`
	tenant    string
}

// Definition is what is set about a flag.
type Definition struct {
	Description string     `json:"description,omitempty" maxLength:"500"`
	Owner       string     `json:"owner,omitempty" maxLength:"100" doc:"Who answers for it"`
	Default     bool       `json:"default" doc:"What those get whom neither role nor share selects"`
	Roles       []string   `json:"roles,omitempty" maxItems:"50" doc:"Only users with one of these roles can be selected; empty for all"`
	Percentage  float64    `json:"percentage" minimum:"0" maximum:"100" doc:"Share of the users that are selected, to two digits after the point. Selected users have the flag on"`
	Killed      bool       `json:"killed,omitempty" doc:"Off for everybody, whatever else is set"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty" doc:"From when on everybody gets the default"`
}

// Reason says why a flag is on or off.
type Reason string

// The reasons.
const (
	Killed       Reason = "killed"
	Expired      Reason = "expired"
	RoleLacking  Reason = "role_lacking" // so the default holds
	NotInShare   Reason = "not_in_share" // so the default holds
	Selected     Reason = "selected"     // by role and share
	UnknownFlag  Reason = "unknown_flag" // off
	buckets             = 10_000         // a hundredth of a percent each
	maxFlags            = 500            // of a tenant
	maxDaysAhead        = 20 * 366 * 24 * time.Hour
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}$`)

// check applies the rules and brings a definition into the form in which it is compared.
func (d *Definition) check(now time.Time) error {
	d.Description, d.Owner = strings.TrimSpace(d.Description), strings.TrimSpace(d.Owner)
	if !utf8.ValidString(d.Description) || !utf8.ValidString(d.Owner) {
		return errs.Field("/description", "wrong_format", "Texts are UTF-8.")
	}
	if !(d.Percentage >= 0 && d.Percentage <= 100) {
		return errs.Field("/percentage", "out_of_range", "A share is 0 to 100 percent.")
	}
	d.Percentage = math.Round(d.Percentage*100) / 100
	for _, r := range d.Roles {
		if r == "" || len(r) > 100 {
			return errs.Field("/roles", "wrong_format", "The name of a role has 1 to 100 bytes.")
		}
	}
	slices.Sort(d.Roles)
	if d.Roles = slices.Compact(d.Roles); len(d.Roles) == 0 {
		d.Roles = nil
	}
	if d.ExpiresAt != nil {
		at := d.ExpiresAt.UTC().Truncate(time.Second)
		if at.Sub(now) > maxDaysAhead {
			return errs.Field("/expires_at", "too_late", "The end must be within twenty years.")
		}
		d.ExpiresAt = &at
	}
	return nil
}

// Evaluate says whether the flag is on for a user with roles, at a time. A user who is not named is never in a share of less than everybody.
func (f *Flag) Evaluate(subject string, roles []string, now time.Time) (bool, Reason) {
	switch {
	case f.Killed:
		return false, Killed
	case f.ExpiresAt != nil && !now.Before(*f.ExpiresAt):
		return f.Default, Expired
	case len(f.Roles) > 0 && !slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(f.Roles, r) }):
		return f.Default, RoleLacking
	case f.Percentage < 100 && (subject == "" || float64(bucket(f.tenant, f.Name, subject)) >= f.Percentage*(buckets/100)):
		return f.Default, NotInShare
	}
	return true, Selected
}

// bucket is the place of a user in the order in which the users of a flag are selected, from 0 to buckets-1. Its parts are told apart by their lengths.
func bucket(tenant, flag, subject string) uint64 {
	var b []byte
	for _, s := range []string{"probity/flag/v1", tenant, flag, subject} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	h := sha256.Sum256(b)
	return binary.BigEndian.Uint64(h[:8]) % buckets
}
