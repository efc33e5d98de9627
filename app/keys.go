package app

import (
	"context"
	"database/sql"
	"time"

	"probity.dev/access"
	"probity.dev/internal/actor"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/kms"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/httpapi"
)

// MasterKeyState tells where the master key stands.
func (a *App) MasterKeyState(ctx context.Context) (*httpapi.MasterKeyState, error) {
	out := &httpapi.MasterKeyState{KMS: a.kms.Name(), Current: a.kms.Current()}
	out.Problem, _ = a.kms.Problem()
	var since int64
	if err := a.db.Read(ctx).QueryRowContext(ctx, `SELECT version, since FROM master_key WHERE no = 1`).Scan(&out.Version, &since); err != nil {
		return nil, sqldb.Translate(err)
	}
	out.Since = time.UnixMicro(since).UTC()
	tenants, err := a.Ledger.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	out.Tenants = len(tenants)
	for _, t := range tenants {
		k, err := a.Ledger.Keys(ctx, t.ID)
		if err != nil {
			return nil, err
		}
		if k.Keyset.Version != out.Current {
			out.Behind++
		}
	}
	wrapped, err := access.MasterSecret(a.db).Load(ctx)
	if err != nil {
		return nil, err
	}
	if wrapped != nil && a.kms.Version(wrapped) != out.Current {
		out.Behind++
	}
	return out, nil
}

// MasterKeyChange is what a rotation of the master key, or a move to another, has done or would do.
type MasterKeyChange struct {
	From        string `json:"from"`
	FromVersion string `json:"from_version"`
	To          string `json:"to"`
	ToVersion   string `json:"to_version,omitempty"` // unknown before a rotation
	// NewVersion says that the master key gets another version; otherwise what a rotation elsewhere, or an interrupted one, has left is brought to the present version.
	NewVersion bool `json:"new_version"`
	// Wrapped counts the keysets and secrets that are wrapped anew.
	Wrapped int  `json:"wrapped"`
	DryRun  bool `json:"dry_run"`
}

// RotateMasterKey gives the master key another version and wraps everything under it anew. When something is not under the present version, because the key was rotated elsewhere or a rotation
// was interrupted, that is finished instead. by is the actor of the event in each tenant's log.
func (a *App) RotateMasterKey(ctx context.Context, by func(tenantID string) event.Actor, reason string, dry bool) (*MasterKeyChange, error) {
	if _, err := a.kms.Check(ctx); err != nil {
		return nil, err
	}
	s, err := a.MasterKeyState(ctx)
	if err != nil {
		return nil, err
	}
	out := &MasterKeyChange{From: s.KMS, To: s.KMS, FromVersion: s.Version, NewVersion: s.Behind == 0 && s.Version == s.Current, Wrapped: s.Tenants + 1, DryRun: dry}
	if !out.NewVersion {
		out.ToVersion = s.Current
	}
	if dry {
		return out, nil
	}
	if sharable(a.Config) && MasterKeyFile(a.Config) {
		if err := a.lone(ctx); err != nil {
			return nil, err
		}
	}
	if out.NewVersion {
		if err := a.newMasterVersion(ctx, s.Current); err != nil {
			return nil, err
		}
		out.ToVersion = a.kms.Current()
	}
	return out, a.rewrap(ctx, a.kms, "key.master_rotated", out, by, reason)
}

// rotationPatience is how long a service may take until it wraps with a new version of its key.
const rotationPatience = 2 * time.Minute

// newMasterVersion has the service make a new version of the master key, and waits until it is in use.
func (a *App) newMasterVersion(ctx context.Context, old string) error {
	if err := a.kms.Rotate(ctx); err != nil {
		return err
	}
	for end := time.Now().Add(rotationPatience); ; {
		version, err := a.kms.Check(ctx)
		if err == nil && version != old {
			return nil
		}
		if time.Now().After(end) {
			return errs.New(errs.Unavailable, "the new version of the master key is not in use yet; run this again in some minutes")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}

// MoveMasterKey wraps everything under the master key at another location, which the setting kms MUST name from then on. A file that is not there is made.
func (a *App) MoveMasterKey(ctx context.Context, location string, by func(tenantID string) event.Actor, reason string, dry bool) (*MasterKeyChange, error) {
	l, err := kms.Parse(location)
	if err != nil {
		return nil, err
	}
	if _, err := a.kms.Check(ctx); err != nil {
		return nil, err
	}
	s, err := a.MasterKeyState(ctx)
	if err != nil {
		return nil, err
	}
	out := &MasterKeyChange{From: s.KMS, FromVersion: s.Version, To: l.Name(), Wrapped: s.Tenants + 1, DryRun: dry}
	to, err := a.target(ctx, l, dry)
	if err != nil || to == nil {
		return out, err
	}
	guard := kms.NewGuard(to, nil)
	if out.ToVersion, err = guard.Check(ctx); err != nil || dry {
		return out, err
	}
	return out, a.rewrap(ctx, guard, "key.master_moved", out, by, reason)
}

// target opens the service that keys are moved to; nil when that is a file which a dry run does not make.
func (a *App) target(ctx context.Context, l kms.Location, dry bool) (crypt.KMS, error) {
	if l.Kind == kms.KindFile && !fileExists(l.Path) {
		if dry {
			return nil, nil
		}
		return crypt.CreateFileKMS(l.Path)
	}
	return kms.Open(ctx, l, kmsSecrets(a.Config))
}

// rewrap wraps everything anew and records which master key is in use.
func (a *App) rewrap(ctx context.Context, to crypt.KMS, action string, c *MasterKeyChange, by func(tenantID string) event.Actor, reason string) error {
	n, err := a.Ledger.Rewrap(ctx, ledger.Rewrapping{From: a.kms, To: to, Others: []ledger.WrappedSecret{access.MasterSecret(a.db)}, Action: action, By: by, Reason: reason,
		Data: [][2]string{{"old_kms", c.From}, {"old_version", c.FromVersion}, {"new_kms", c.To}, {"new_version", c.ToVersion}},
		Store: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE master_key SET kms = $1, version = $2, since = $3 WHERE no = 1`, c.To, c.ToVersion, sqldb.Now())
			return sqldb.Translate(err)
		}})
	if n > 0 {
		c.Wrapped = n
	}
	return err
}

// masterKeys lets a tenant's admin see the master key, and rotate it when nobody else's data depends on it.
type masterKeys struct{ a *App }

// State implements httpapi.MasterKeys.
func (m masterKeys) State(ctx context.Context) (*httpapi.MasterKeyState, error) {
	return m.a.MasterKeyState(ctx)
}

// Rotate implements httpapi.MasterKeys.
func (m masterKeys) Rotate(ctx context.Context, p actor.Principal, reason string, dry bool) error {
	tenants, err := m.a.Ledger.Tenants(ctx)
	if err != nil {
		return err
	}
	if sharable(m.a.Config) && MasterKeyFile(m.a.Config) {
		return errs.New(errs.Forbidden, "every server of the database has the master key in a file of its own: stop them, run probity keys rotate master --data DIR on one, and copy its keys/master.key to the others")
	}
	if len(tenants) != 1 {
		return errs.New(errs.Forbidden, "several tenants share the master key, so only the operator rotates it: probity keys rotate master --data DIR")
	}
	_, err = m.a.RotateMasterKey(ctx, func(string) event.Actor { return httpapi.By(p) }, reason, dry)
	return err
}

// ByOperator is the actor of events that the operator causes from the command line.
func ByOperator(tenantID string) event.Actor { return httpapi.By(Operator(tenantID, false)) }
