package app

import (
	"context"
	"database/sql"
	"net/http"

	"probity.dev/access/denial"
	"probity.dev/access/tenant"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/confine"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

func (a *App) openTenants() {
	a.denials = denial.New(recorder{a.Ledger}, a.telemetry.Logger, nil)
	a.tenants = tenant.NewService(tenant.Options{DB: a.db, Ledger: tenantLedger{a}, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Denials: a.denials, Logger: a.telemetry.Logger})
}

// Operating is the id of the tenant that operates the installation.
func (a *App) Operating(ctx context.Context) (string, error) { return a.tenants.Operating(ctx) }

// atWork refuses tenants in which nobody may do anything at the moment.
func (a *App) atWork(ctx context.Context, tenantID string) error {
	return a.tenants.Check(ctx, tenantID)
}

// atWork authenticates like the authenticator within, and refuses callers of tenants that are suspended or given up.
type atWork struct {
	api.Authenticator
	tenants *tenant.Service
}

// Authenticate implements api.Authenticator.
func (w atWork) Authenticate(ctx context.Context, r *http.Request) (actor.Principal, error) {
	p, err := w.Authenticator.Authenticate(ctx, r)
	if err == nil && p.TenantID != "" {
		err = w.tenants.Check(ctx, p.TenantID)
	}
	if err != nil {
		return actor.Principal{}, err
	}
	return p, nil
}

// operators serves what tells of all tenants to callers of the one that operates the installation.
func (a *App) operators(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := actor.Require(r.Context(), actor.SettingsManage)
		if err == nil {
			var operates bool
			if operates, err = a.tenants.Operates(r.Context(), p); err == nil && !operates {
				err = errs.New(errs.Forbidden, "This tells of all tenants: only the one that operates the installation may see it.")
			}
		}
		if err != nil {
			api.WriteError(w, r, err)
			return
		}
		h.ServeHTTP(w, r.WithContext(confine.Lifted(r.Context(), "figures of the whole installation")))
	})
}

// tenantLedger implements tenant.Ledger.
type tenantLedger struct{ a *App }

// Found implements tenant.Ledger.
func (l tenantLedger) Found(ctx context.Context, n tenant.New) (id, password string, err error) {
	r, err := l.a.addTenant(ctx, InitOptions{Tenant: n.Name, Email: n.Email, Name: n.Person}, false)
	if err != nil {
		return "", "", err
	}
	return r.TenantID, r.Password, nil
}

// Log implements tenant.Ledger.
func (l tenantLedger) Log(ctx context.Context, tenantID string) (tenant.Log, error) {
	h, err := l.a.Ledger.Head(ctx, tenantID)
	return tenant.Log{ID: h.LogID, Events: h.Next}, err
}

// Held implements tenant.Ledger.
func (l tenantLedger) Held(ctx context.Context, tenantID string) (int, error) {
	return l.a.Ledger.ActiveHolds(ctx, tenantID)
}

// Forget implements tenant.Ledger.
func (l tenantLedger) Forget(ctx context.Context, tenantID string) error {
	if err := l.a.Ledger.Forget(ctx, tenantID); err != nil {
		return err
	}
	if err := l.a.exports.Service.Forget(ctx, tenantID); err != nil {
		return err
	}
	return l.a.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM river_job WHERE id IN (SELECT job_id FROM job WHERE tenant_id = $1)`, tenantID)
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM job WHERE tenant_id = $1`, tenantID)
		}
		return sqldb.Translate(err)
	})
}

// Forgotten implements tenant.Ledger.
func (l tenantLedger) Forgotten(tenantID string) { l.a.Ledger.Forgotten(tenantID) }
