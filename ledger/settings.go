package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
)

// MinRetentionMonths is the shortest retention a tenant may choose (mission row A5).
const MinRetentionMonths = 6

// Settings are a tenant's choices about its log (mission rows A13, A15).
type Settings struct {
	// EventClasses switches recording on or off by category; one that is missing is on, and governance is always on.
	EventClasses map[string]bool `json:"event_classes"`
	// RetentionMonths is how long working copies are kept, at least MinRetentionMonths.
	RetentionMonths int `json:"retention_months"`
	// ExportFormats are the formats that may be exported.
	ExportFormats []string `json:"export_formats"`
	// ExportFrequency is manual, daily, weekly or monthly.
	ExportFrequency string `json:"export_frequency"`
	// AnonymiseExports is none, pseudonymise or drop.
	AnonymiseExports string `json:"anonymise_exports"`
	// Timezone is the IANA zone that days and months are counted in.
	Timezone string `json:"timezone"`
	// Custom are the typed custom fields.
	Custom []CustomField `json:"-"`
}

// CustomField defines one typed field of a tenant's own (mission row A13).
type CustomField struct {
	Name        string   `json:"name"`
	Type        string   `json:"type" enum:"string,integer,number,boolean,date,datetime,enum"`
	Required    bool     `json:"required,omitempty"`
	Enum        []string `json:"enum,omitempty"`
	Pattern     string   `json:"pattern,omitempty"`
	Category    string   `json:"category,omitempty"`
	Personal    bool     `json:"personal,omitempty"`
	Searchable  bool     `json:"searchable,omitempty"`
	Description string   `json:"description,omitempty"`

	re *regexp.Regexp
}

// ExportFormats are all formats this build exports.
var ExportFormats = []string{"csv", "json", "ndjson", "pdf", "parquet", "ocsf", "bundle"}

func defaultSettings() *Settings {
	s := &Settings{EventClasses: map[string]bool{}, RetentionMonths: 24, ExportFormats: slices.Clone(ExportFormats), ExportFrequency: "manual", AnonymiseExports: "none", Timezone: "UTC"}
	for _, c := range event.Categories {
		s.EventClasses[c] = true
	}
	return s
}

func (s *Settings) enabled(category string) bool {
	on, ok := s.EventClasses[category]
	return !ok || on || category == "governance"
}

func (s *Settings) check() error {
	var f []errs.FieldError
	bad := func(pointer, detail string) {
		f = append(f, errs.FieldError{Pointer: pointer, Code: "invalid", Detail: detail})
	}
	for c, on := range s.EventClasses {
		switch {
		case !slices.Contains(event.Categories, c):
			bad("/event_classes/"+c, "there is no such event class")
		case c == "governance" && !on:
			bad("/event_classes/governance", "governance events are always recorded")
		}
	}
	if s.RetentionMonths < MinRetentionMonths || s.RetentionMonths > 1200 {
		bad("/retention_months", "retention is 6 to 1200 months")
	}
	for _, x := range s.ExportFormats {
		if !slices.Contains(ExportFormats, x) {
			bad("/export_formats", "there is an unknown format")
		}
	}
	if !slices.Contains([]string{"manual", "daily", "weekly", "monthly"}, s.ExportFrequency) {
		bad("/export_frequency", "choose manual, daily, weekly or monthly")
	}
	if !slices.Contains([]string{"none", "pseudonymise", "drop"}, s.AnonymiseExports) {
		bad("/anonymise_exports", "choose none, pseudonymise or drop")
	}
	if _, err := time.LoadLocation(s.Timezone); err != nil || s.Timezone == "" {
		bad("/timezone", "this is not an IANA time zone such as Europe/Berlin")
	}
	if len(f) > 0 {
		return &errs.Error{Code: errs.Invalid, Message: "the settings are not valid", Fields: f}
	}
	return nil
}

func (l *Ledger) loadSettings(ctx context.Context, t *tenant) error {
	s := defaultSettings()
	for name, into := range map[string]any{"settings": s, "custom_fields": &s.Custom} {
		var v string
		err := l.db.Read(ctx).QueryRowContext(ctx, `SELECT value FROM setting WHERE tenant_id = $1 AND name = $2`, t.id, name).Scan(&v)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err == nil {
			err = json.Unmarshal([]byte(v), into)
		}
		if err != nil {
			return sqldb.Translate(err)
		}
	}
	for i := range s.Custom {
		if err := s.Custom[i].compile(); err != nil {
			return err
		}
	}
	t.settings.Store(s)
	return nil
}

// Settings returns a tenant's settings.
func (l *Ledger) Settings(ctx context.Context, tenantID string) (*Settings, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return t.settings.Load(), nil
}

// PutSettings replaces a tenant's settings. The change is an event with the values before and after, recorded in the same transaction.
func (l *Ledger) PutSettings(ctx context.Context, tenantID string, s *Settings, by event.Actor) error {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	old := t.settings.Load()
	s.Custom = old.Custom
	if err := l.changeSetting(ctx, t, by, "settings", old, s); err != nil {
		return err
	}
	t.settings.Store(s)
	return nil
}

// PutCustomFields replaces a tenant's custom field definitions. A field that events already use can be changed, but events stay as they are.
func (l *Ledger) PutCustomFields(ctx context.Context, tenantID string, fields []CustomField, by event.Actor) error {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return err
	}
	for i := range fields {
		if err := fields[i].compile(); err != nil {
			return err
		}
		if slices.ContainsFunc(fields[:i], func(f CustomField) bool { return f.Name == fields[i].Name }) {
			return errs.Field("/items", "duplicate", "two fields have the same name")
		}
	}
	s := *t.settings.Load()
	old := s.Custom
	s.Custom = fields
	if err := l.changeSetting(ctx, t, by, "custom_fields", old, fields); err != nil {
		return err
	}
	t.settings.Store(&s)
	return nil
}

func (l *Ledger) changeSetting(ctx context.Context, t *tenant, by event.Actor, name string, before, after any) error {
	b, err := json.Marshal(before)
	if err != nil {
		return err
	}
	a, err := json.Marshal(after)
	if err != nil {
		return err
	}
	e := &event.Event{Action: name + ".update", Activity: "update", Actor: by, Resource: event.Resource{Type: "setting", ID: name},
		Changes: []event.Change{{Path: "/" + name, Before: b, After: a}}}
	return l.Record(ctx, t.id, e, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO setting (tenant_id, name, value, updated_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at`, t.id, name, string(a), sqldb.Now())
		return sqldb.Translate(err)
	})
}
