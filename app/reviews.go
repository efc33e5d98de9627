package app

import (
	"context"
	"database/sql"
	"encoding/hex"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"probity.dev/access/review"
	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/notify"
	"probity.dev/notify/send"
	"probity.dev/report/export"
)

// queueOfAccess is where work on what people may do waits: reviews, and what outside systems know of roles.
const queueOfAccess = "access"

func (a *App) openReviews() {
	o := review.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Grants: grants{a}, People: reviewers{a}, Log: reviewLog{a}, Jobs: a.jobs, Queue: queueOfAccess, MailQueue: queueOfMail,
		PublicURL: a.Config.PublicURL, Formula: export.StartsFormula, Told: a.toldReview, Logger: a.telemetry.Logger}
	if a.sender.Mail != nil {
		o.Mailer = reviewMailer{userMailer{a.sender, a.Access, a.Config.InstanceName}}
	}
	a.reviews = review.New(o)
}

// grants knows what people have been given, for reviews.
type grants struct{ a *App }

// List implements review.Grants.
func (g grants) List(ctx context.Context, tenantID string) ([]review.Grant, error) {
	system := actor.System(tenantID)
	x, err := g.a.Access.Roles().Of(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	users, err := g.a.Access.Users(ctx, system)
	if err != nil {
		return nil, err
	}
	names, used := map[string]string{}, map[string]*time.Time{}
	for _, u := range users {
		names[u.ID], used[u.ID] = u.Name, optional(u.LastLoginAt)
	}
	elsewhere, rest, err := g.outside(ctx, tenantID, x)
	if err != nil {
		return nil, err
	}
	var out []review.Grant
	for _, as := range x.Grants(time.Now()) {
		r := x.Role(as.RoleID)
		one := review.Grant{Kind: review.KindAssignment, Target: as.ID, UserID: as.UserID, UserName: names[as.UserID], What: r.Name, RoleID: r.ID, Scope: part(as.Scope), Sensitivity: string(r.Sensitivity),
			GrantedBy: as.GrantedBy, GrantedAt: optional(as.GrantedAt), ExpiresAt: as.ExpiresAt, LastUsedAt: used[as.UserID]}
		if r.ID == actor.RoleElevated {
			one.Kind = review.KindElevation
		}
		if as.Scope.Kind == role.WholeTenant {
			one.Elsewhere = elsewhere(as.UserID, as.RoleID)
		}
		out = append(out, one)
	}
	keys, err := g.a.Access.Keys(ctx, system)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if !k.RevokedAt.IsZero() || !k.ExpiresAt.IsZero() && !time.Now().Before(k.ExpiresAt) {
			continue
		}
		out = append(out, review.Grant{Kind: review.KindKey, Target: k.ID, UserID: k.CreatedBy, UserName: names[k.CreatedBy], What: k.Name, Permissions: k.Scopes, Sensitivity: string(x.Sensitivity(k.Scopes)),
			GrantedBy: k.CreatedBy, GrantedAt: optional(k.CreatedAt), ExpiresAt: optional(k.ExpiresAt), LastUsedAt: optional(k.LastUsedAt)})
	}
	for _, m := range rest {
		m.UserName, m.LastUsedAt = names[m.UserID], used[m.UserID]
		out = append(out, m)
	}
	return out, nil
}

// outside returns a function that says what outside gives a person a role, and the memberships of groups that would give one which the person does not have.
func (g grants) outside(ctx context.Context, tenantID string, x *role.Index) (func(user, role string) string, []review.Grant, error) {
	members, err := g.a.scim.Memberships(ctx, tenantID)
	if err != nil {
		return nil, nil, err
	}
	signIn, err := g.a.oidc.Outside(ctx, tenantID)
	if err != nil {
		return nil, nil, err
	}
	groups := map[[2]string][]string{}
	var rest []review.Grant
	for _, m := range members {
		groups[[2]string{m.UserID, m.RoleID}] = append(groups[[2]string{m.UserID, m.RoleID}], m.Group)
		r := x.Role(m.RoleID)
		if r == nil || x.Assigned(m.UserID, m.RoleID, role.Scope{Kind: role.WholeTenant}, time.Now()) {
			continue
		}
		rest = append(rest, review.Grant{Kind: review.KindGroup, Target: m.GroupID, UserID: m.UserID, What: m.Group, RoleID: r.ID, Sensitivity: string(r.Sensitivity), Elsewhere: "the group " + m.Group + " of the directory"})
	}
	return func(user, roleID string) string {
		var all []string
		for _, name := range groups[[2]string{user, roleID}] {
			all = append(all, "the group "+name+" of the directory")
		}
		if names := signIn.Providers[roleID]; signIn.People[user] && len(names) > 0 {
			all = append(all, "groups at the sign-in provider "+strings.Join(names, ", ")+", if the person is in one")
		}
		return strings.Join(all, "; ")
	}, rest, nil
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// part is a scope as reviews write it.
func part(s role.Scope) string {
	if s.Kind == role.WholeTenant {
		return ""
	}
	return s.Kind + ":" + s.Value
}

func scopeOf(part string) role.Scope {
	kind, value, ok := strings.Cut(part, ":")
	if !ok {
		return role.Scope{Kind: role.WholeTenant}
	}
	return role.Scope{Kind: kind, Value: value}
}

// Holds implements review.Grants.
func (g grants) Holds(ctx context.Context, tenantID string, all []review.Grant) ([]bool, error) {
	x, err := g.a.Access.Roles().Of(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	if slices.ContainsFunc(all, func(o review.Grant) bool { return o.Kind == review.KindKey }) {
		list, err := g.a.Access.Keys(ctx, actor.System(tenantID))
		if err != nil {
			return nil, err
		}
		for _, k := range list {
			keys[k.ID] = k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || time.Now().Before(k.ExpiresAt))
		}
	}
	out := make([]bool, len(all))
	for i, o := range all {
		switch o.Kind {
		case review.KindKey:
			out[i] = keys[o.Target]
		case review.KindGroup:
			out[i] = true // only the directory knows
		default:
			out[i] = x.Assigned(o.UserID, o.RoleID, scopeOf(o.Scope), time.Now())
		}
	}
	return out, nil
}

// Revoke implements review.Grants.
func (g grants) Revoke(ctx context.Context, by actor.Principal, starter string, o review.Grant, reason string, c role.Cause) (bool, error) {
	with := by
	if !by.IsSystem() {
		// Whoever began the review has handed on what he may take away, as far as he may still do so.
		behind, err := g.a.Access.Now(ctx, actor.Principal{TenantID: by.TenantID, UserID: starter})
		switch {
		case err == nil:
			with.Permissions, with.MaskAs = union(by.Permissions, behind.Permissions), union(by.MaskAs, behind.MaskAs)
		case errs.CodeOf(err) != errs.Forbidden:
			return false, err
		case !by.Can(actor.AccessManage):
			return false, errs.New(errs.Forbidden, "Whoever began this review may not take anything away any more; somebody who manages access has to decide.")
		}
	}
	if o.Kind == review.KindKey {
		err := g.a.Access.RevokeKeyFor(ctx, with, o.Target, reason, c)
		if errs.CodeOf(err) == errs.NotFound {
			return false, nil
		}
		return err == nil, err
	}
	s := scopeOf(o.Scope)
	ended, err := g.a.Access.Roles().Revoke(ctx, with, role.Revocation{UserID: o.UserID, RoleID: o.RoleID, Scope: &s, Reason: reason, Cause: c})
	if errs.CodeOf(err) == errs.NotFound { // the person or the role is gone
		return false, nil
	}
	return len(ended) > 0, err
}

func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

// reviewers knows who reviews.
type reviewers struct{ a *App }

// Working implements review.People.
func (r reviewers) Working(ctx context.Context, tenantID, userID string) error {
	_, err := r.a.Access.Working(ctx, tenantID, userID)
	return err
}

// Names implements review.People.
func (r reviewers) Names(ctx context.Context, tenantID string) (map[string]string, error) {
	return r.a.Access.Names(ctx, tenantID)
}

// Known implements review.People.
func (r reviewers) Known(ctx context.Context, tenantID, roleID string) (bool, error) {
	x, err := r.a.Access.Roles().Of(ctx, tenantID)
	return err == nil && x.Known(roleID), err
}

// reviewMailer reminds reviewers.
type reviewMailer struct{ m userMailer }

// MailUser implements review.Mailer.
func (r reviewMailer) MailUser(ctx context.Context, tenantID, userID string, l review.Letter) error {
	return r.m.mail(ctx, tenantID, userID, &send.Message{ID: l.ID, At: l.At, Title: l.Subject, Text: l.Text, Link: l.URL})
}

// toldReview tells people of a review that begins, is overdue or ends.
func (a *App) toldReview(ctx context.Context, tx *sql.Tx, r *review.Review, what string) error {
	n := notify.Notification{Cause: notify.Cause{Type: "access_review", ID: r.ID}, Params: map[string]string{"review": r.ID}}
	switch what {
	case "started":
		n.Kind, n.Params["items"] = notify.KindReviewStarted, strconv.Itoa(r.Counts.Total)
	case "overdue":
		n.Kind, n.Params["waiting"] = notify.KindReviewOverdue, strconv.Itoa(r.Counts.Waiting)
	default:
		n.Kind = notify.KindReviewClosed
	}
	return a.notify.Service.Notify(ctx, tx, r.TenantID, n)
}

// reviewLog gives what proves a review.
type reviewLog struct{ a *App }

func reviewFilter(correlation string) export.Filter {
	return export.Filter{Source: []string{"probity"}, CorrelationID: []string{correlation}}
}

// Proofs implements review.Log.
func (l reviewLog) Proofs(ctx context.Context, tenantID, correlation string) (*review.Proofs, error) {
	out := &review.Proofs{Events: []review.Proof{}}
	q, err := Query(reviewFilter(correlation))
	if err != nil {
		return nil, err
	}
	_, err = l.a.Ledger.Search(ctx, tenantID, q, ledger.Page{Ascending: true}, nil, func(r *event.Record) error {
		out.Events = append(out.Events, review.Proof{EventID: r.ID, Seq: r.Seq, Action: r.Action, RecordedAt: r.RecordedAt})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range out.Events {
		p, err := l.a.Ledger.Prove(ctx, tenantID, out.Events[i].Seq, nil)
		if err != nil {
			return nil, err
		}
		out.Events[i].LeafHash, out.Events[i].TLogProof = hex.EncodeToString(p.LeafHash[:]), p.TLogProof
		out.Checkpoint, out.VKeys = p.Checkpoint, p.VKeys
	}
	h, err := l.a.Ledger.Head(ctx, tenantID)
	out.Origin = h.Origin
	return out, err
}

// Report implements review.Log.
func (l reviewLog) Report(ctx context.Context, viewer actor.Principal, format, title, correlation string, w io.Writer) error {
	source, filter := l.a.exports.source, reviewFilter(correlation)
	if format == export.FormatBundle {
		return source.Bundle(ctx, viewer.TenantID, filter, viewer, export.BundleOptions{Proof: "inclusion", Title: title}, w, func(int64, int64) {})
	}
	settings, err := exportTenants{l.a.Ledger}.ExportSettings(ctx, viewer.TenantID)
	if err != nil {
		return err
	}
	pseudonyms := export.NewPseudonyms(settings.PseudonymKey)
	enc, err := export.New(format, w, export.Options{Location: settings.Location, Pseudonym: pseudonyms, TenantID: viewer.TenantID, Columns: []string{"seq", "occurred_at", "actor", "action", "outcome", "subject_name", "reason", "sentence"}})
	if err != nil {
		return err
	}
	info, err := source.LogInfo(ctx, viewer.TenantID)
	if err != nil {
		return err
	}
	if err := enc.Begin(export.Meta{Title: title, Tenant: settings.Name, FilterWords: []string{"events of this review of access"}, Filter: filter, RequestedBy: pseudonyms.ID(viewer.Type(), viewer.ID()), GeneratedAt: time.Now(),
		Location: settings.Location, Masking: MaskingWords(viewer), Log: info}); err != nil {
		return err
	}
	q, err := Query(filter)
	if err != nil {
		return err
	}
	tally := export.NewTally(settings.Location, pseudonyms)
	if _, err := l.a.Ledger.Search(ctx, viewer.TenantID, q, ledger.Page{Ascending: true}, l.a.masks.For(viewer), func(r *event.Record) error {
		tally.Add(r)
		settings.Anonymise.Apply(r, pseudonyms)
		return enc.Write(r)
	}); err != nil {
		return err
	}
	if info, err = source.LogInfo(ctx, viewer.TenantID); err != nil {
		return err
	}
	s := tally.Summary()
	s.Log = &info
	return enc.End(s)
}
