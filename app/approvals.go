package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"probity.dev/access"
	"probity.dev/access/approval"
	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/notify"
)

// kindOfGrant is a role of high sensitivity for somebody.
const kindOfGrant = "role.assign"

// Approvals that are needed, and how long others have to give them.
const (
	approvalsOfGrant     = 1
	approvalsOfElevation = 1
	windowOfGrant        = 7 * 24 * time.Hour
)

// openApprovals has grants of sensitive roles wait for others.
func (a *App) openApprovals() {
	roles := a.Access.Roles()
	a.approvals = approval.New(approval.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, People: approvers{a}, Told: a.toldApproval, Remind: a.remindOfApproval, Logger: a.telemetry.Logger})
	a.approvals.Add(approval.Kind{Name: kindOfGrant, Title: "Give a role", Needed: approvalsOfGrant, Window: windowOfGrant, Apply: a.applyGrant})
	a.approvals.AddElevations(approvalsOfElevation, granter{roles})
	a.approvals.AddRules()
	a.openCalls()
	roles.SetApprovals(grantApprovals{a.approvals, a.Access})
}

// grantChange is what somebody asks to be given to somebody, and with whose rights.
type grantChange struct {
	UserID    string     `json:"userId"`
	RoleID    string     `json:"roleId"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Scope     role.Scope `json:"scope"`
}

// grantApprovals implements role.Approvals.
type grantApprovals struct {
	s      *approval.Service
	access *access.Service
}

// Armed implements role.Approvals.
func (g grantApprovals) Armed(ctx context.Context, tenantID string) (bool, error) {
	return g.s.Armed(ctx, tenantID)
}

// Ask implements role.Approvals.
func (g grantApprovals) Ask(ctx context.Context, p actor.Principal, grant role.Grant, r *role.Role) (string, error) {
	names, err := g.access.Names(ctx, p.TenantID)
	if err != nil {
		return "", err
	}
	made, err := g.s.Ask(ctx, p, kindOfGrant, "Give "+names[grant.UserID]+" the role "+r.Name, grantChange{grant.UserID, grant.RoleID, grant.ExpiresAt, grant.Scope}, grant.Reason)
	if err != nil {
		return "", err
	}
	return made.ID, nil
}

// applyGrant gives a role that others have approved, with the rights that whoever asked for it has now.
func (a *App) applyGrant(ctx context.Context, r *approval.Request, done approval.Done) error {
	var c grantChange
	if err := json.Unmarshal(r.Change, &c); err != nil {
		return errs.Wrap(errs.Invalid, err, "What was approved cannot be read.")
	}
	who := actor.Principal{TenantID: r.TenantID, UserID: r.Requester}
	switch {
	case r.Behind == "": // groups elsewhere
		who = actor.System(r.TenantID)
	case r.Requester != r.Behind:
		who.UserID, who.KeyID = "", r.Requester
	}
	p, err := a.Access.Now(ctx, who)
	if err != nil {
		return err
	}
	_, err = a.Access.Roles().Assign(ctx, p, role.Grant{UserID: c.UserID, RoleID: c.RoleID, ExpiresAt: c.ExpiresAt, Scope: c.Scope, Reason: r.Reason, Approved: done})
	return err
}

// granter gives time-boxed roles, as the server: others have approved them, or review them.
type granter struct{ roles *role.Service }

// Grant implements approval.Granter.
func (g granter) Grant(ctx context.Context, by actor.Principal, what approval.Grant, done approval.Done) error {
	reason := what.Purpose
	if what.Case != "" {
		reason = what.Case + ": " + reason
	}
	if what.Critical {
		reason = "break-glass: " + reason
	}
	if done == nil {
		done = func(context.Context, *sql.Tx) error { return nil }
	}
	_, err := g.roles.Assign(ctx, actor.System(by.TenantID), role.Grant{UserID: what.UserID, RoleID: what.RoleID, ExpiresAt: &what.Until, Reason: oneLine(reason), Approved: done})
	return err
}

// Withdraw implements approval.Granter.
func (g granter) Withdraw(ctx context.Context, by actor.Principal, what approval.Grant) error {
	_, err := g.roles.Revoke(ctx, actor.System(by.TenantID), role.Revocation{UserID: what.UserID, RoleID: what.RoleID, Reason: "the review found no justification"})
	return err
}

// oneLine is a text as the reason of an assignment: in one line, and short.
func oneLine(s string) string {
	out := []rune{}
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		if out = append(out, r); len(out) == 1000 {
			break
		}
	}
	return string(out)
}

// approvers knows who decides.
type approvers struct{ a *App }

// Standing implements approval.People.
func (w approvers) Standing(ctx context.Context, tenantID, userID string) (st approval.Standing, err error) {
	if st.Alias, st.MadeAt, err = w.a.Access.Account(ctx, tenantID, userID); err != nil {
		if errs.CodeOf(err) == errs.NotFound {
			return approval.Standing{}, nil
		}
		return st, err
	}
	x, err := w.a.Access.Roles().Of(ctx, tenantID)
	if err == nil {
		st.Since, st.GivenBy, st.May = x.Since(userID, actor.AccessApprove, time.Now())
	}
	return st, err
}

// Behind implements approval.People.
func (w approvers) Behind(ctx context.Context, p actor.Principal) (string, error) {
	return w.a.Access.Roles().Behind(ctx, p)
}

// Deciders implements approval.People.
func (w approvers) Deciders(ctx context.Context, tenantID string) (int, error) {
	x, err := w.a.Access.Roles().Of(ctx, tenantID)
	if err != nil {
		return 0, err
	}
	return x.Holders(actor.AccessApprove, time.Now()), nil
}

// Approvers implements approval.People.
func (w approvers) Approvers(ctx context.Context, tenantID string) ([]string, error) {
	x, err := w.a.Access.Roles().Of(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return x.May(actor.AccessApprove, time.Now()), nil
}

// Tenants implements approval.People.
func (w approvers) Tenants(ctx context.Context) (ids []string, err error) {
	all, err := w.a.Ledger.Tenants(ctx)
	for _, t := range all {
		ids = append(ids, t.ID)
	}
	return ids, err
}

// Names implements approval.People.
func (w approvers) Names(ctx context.Context, tenantID string, _ []string) (map[string]string, error) {
	return w.a.Access.Names(ctx, tenantID)
}

// toldApproval tells people of a request that is made or ends.
func (a *App) toldApproval(ctx context.Context, tx *sql.Tx, r *approval.Request) error {
	n := notify.Notification{Kind: notify.KindApprovalPending, Cause: notify.Cause{Type: "approval", ID: r.ID}, Params: map[string]string{"approval": r.ID, "what": r.Title}}
	var glass error
	switch {
	case r.State != approval.Pending:
		n.Kind, n.Params["state"] = notify.KindApprovalEnded, string(r.State)
	case r.Kind == approval.KindReview:
		glass = a.notify.Service.Notify(ctx, tx, r.TenantID, notify.Notification{Kind: notify.KindBreakGlass, Cause: n.Cause, Topic: "break-glass:" + r.ID, Params: map[string]string{"approval": r.ID}})
	}
	return errors.Join(glass, a.notify.Service.Notify(ctx, tx, r.TenantID, n), a.call(ctx, tx, r, false))
}
