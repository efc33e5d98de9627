package access

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// errDeadLink is what every link gets that does not work, whyever.
var errDeadLink = errs.New(errs.NotFound, "This link does not work: it has been used, has expired, or a newer one was sent. Ask for a new one.")

// linkThrottle slows down those who try links from an address. Whoever has a link needs few attempts; a token cannot be guessed anyway.
func (s *Service) linkThrottle(ctx context.Context) []throttled {
	ip := ClientOf(ctx).IP
	if !ip.IsValid() {
		return nil
	}
	t := s.throttleOfAddress(ip)
	t.subject = s.index("link|" + string(t.subject))
	return []throttled{t}
}

// Welcome is what an invitation says to whoever has its link.
type Welcome struct {
	Email, Name, Organisation string
	ExpiresAt                 time.Time
	// Passkeys says whether one may be used in place of a password.
	Passkeys bool
}

// invited returns the invitation of a link that works, with the account that it may have led to already without the person being able to sign in to it yet.
func (s *Service) invited(ctx context.Context, token string) (row invitationRow, a *account, err error) {
	if len(token) != 43 {
		return row, nil, errDeadLink
	}
	row, err = invitationByToken(ctx, s.o.DB.Read(ctx), hashToken(token))
	if errs.CodeOf(err) == errs.NotFound {
		return row, nil, errDeadLink
	}
	if err != nil {
		return row, nil, err
	}
	if s.shutOut(ctx, row.tenant) {
		return row, nil, errDeadLink
	}
	if row.state != inviteOpen || row.expiresAt <= s.o.Now().UnixMicro() {
		return row, nil, s.refuseLink(ctx, row.tenant, "user.invite_accept", event.Resource{Type: "invitation", ID: row.id}, "the link has been used or has expired")
	}
	if row.account == "" {
		return row, nil, nil
	}
	q := in(s.o.DB.Read(ctx), row.tenant)
	known, err := q.account(ctx, row.account)
	if err != nil {
		return row, nil, err
	}
	confirmed, _, err := q.countFactors(ctx, known.id)
	if err != nil {
		return row, nil, err
	}
	if known.hash != "" || known.lockedAt.Valid || confirmed > 0 {
		return row, nil, s.refuseLink(ctx, row.tenant, "user.invite_accept", event.Resource{Type: "invitation", ID: row.id}, "the account can be signed in to, or is locked")
	}
	return row, &known, nil
}

// shutOut reports whether nobody may do anything in a tenant at the moment, or whether that cannot be found out.
func (s *Service) shutOut(ctx context.Context, tenant string) bool {
	return s.o.AtWork != nil && s.o.AtWork(ctx, tenant) != nil
}

// refuseLink records that somebody came with a link that does not work any more, and returns what he sees.
func (s *Service) refuseLink(ctx context.Context, tenant, action string, about event.Resource, why string) error {
	e := newEvent(ctx, action, "auth", "login", actor.Principal{TenantID: tenant})
	e.Actor, e.Resource = event.Actor{Type: "anonymous"}, about
	e.Severity, e.Outcome = "low", event.Outcome{Status: "denied", Reason: why}
	if err := s.o.Recorder.RecordLater(ctx, tenant, e, nothing); err != nil {
		return err
	}
	return errDeadLink
}

// LookAtInvitation returns what the link of an invitation leads to, and spends nothing.
func (s *Service) LookAtInvitation(ctx context.Context, token string) (*Welcome, error) {
	attempt := s.linkThrottle(ctx)
	if err := s.charge(ctx, attempt); err != nil {
		return nil, err
	}
	row, _, err := s.invited(ctx, token)
	if err != nil {
		return nil, err
	}
	who, err := s.openInvitation(ctx, row)
	if err != nil {
		return nil, err
	}
	organisation, err := s.organisation(ctx, row.tenant)
	if err != nil {
		return nil, err
	}
	return &Welcome{Email: who.Email, Name: who.Name, Organisation: organisation, ExpiresAt: time.UnixMicro(row.expiresAt).UTC(), Passkeys: s.passkeys != nil}, s.o.DB.Write(ctx, func(tx *sql.Tx) error { return forgive(ctx, tx, attempt) })
}

// Accept takes an invitation: it makes the account with the roles that need nobody else's approval, asks for the others in the name of whoever has invited, and signs the person in. With an empty password the person sets up a passkey
// in its place: the sign-in that is returned waits for that, and the link works until it is done. previous is the session that the browser had, which ends.
func (s *Service) Accept(ctx context.Context, token, password, previous string) (*Login, error) {
	if err := s.charge(ctx, s.linkThrottle(ctx)); err != nil {
		return nil, err
	}
	row, a, err := s.invited(ctx, token)
	if err != nil {
		return nil, err
	}
	who, err := s.openInvitation(ctx, row)
	if err != nil {
		return nil, err
	}
	if password == "" && s.passkeys == nil {
		return nil, errNoPasskeys
	}
	hash := ""
	if password != "" {
		if err := s.checkPassword(ctx, "/password", password, s.wordsOf(ctx, row.tenant, who.Email, who.Name)); err != nil {
			return nil, err
		}
		if hash, err = s.hasher.hash(ctx, password); err != nil {
			return nil, err
		}
	}
	if a == nil {
		a, err = s.arrive(ctx, row, who, hash)
	} else if hash != "" {
		err = s.firstPassword(ctx, row, *a, hash)
	}
	if err != nil {
		return nil, err
	}
	a.hash = hash
	way := entry{previous: previous, way: "invitation"}
	must, err := s.mustHaveFactor(ctx, in(s.o.DB.Read(ctx), a.tenant), *a)
	if err != nil {
		return nil, err
	}
	if hash == "" || must {
		pending, err := s.await(ctx, *a, way, nil)
		return &Login{Pending: pending}, err
	}
	v, err := s.signIn(ctx, *a, way)
	return &Login{Session: v}, err
}

// inviter returns whoever has invited, with the rights that he has now. An invitation of somebody who may not invite any more leads nowhere.
func (s *Service) inviter(ctx context.Context, row invitationRow) (actor.Principal, error) {
	by := actor.Principal{TenantID: row.tenant, UserID: row.byUser, KeyID: row.byKey}
	if row.byUser == "" && row.byKey == "" {
		by = actor.System(row.tenant)
	}
	by, err := s.Now(ctx, by)
	if err == nil {
		err = mayManage(by)
	}
	return by, err
}

// arrive makes the account of an invitation.
func (s *Service) arrive(ctx context.Context, row invitationRow, who Invited, hash string) (*account, error) {
	a := account{id: newID(), tenant: row.tenant, emailIndex: row.emailIndex, hash: hash, createdAt: s.o.Now().UnixMicro()}
	by, err := s.inviter(ctx, row)
	var waiting []string
	var roles *role.Change
	if err == nil {
		waiting, roles, err = s.rolesOfInvited(ctx, by, a.id, who.Roles)
	}
	if code := errs.CodeOf(err); code == errs.Forbidden || code == errs.NotFound || code == errs.Invalid {
		return nil, s.refuseLink(ctx, row.tenant, "user.invite_accept", event.Resource{Type: "invitation", ID: row.id}, "whoever has invited may not give these roles any more")
	}
	if err != nil {
		return nil, err
	}
	a.role = roles.Legacy()
	if err := s.sealAccount(ctx, &a, who.Email, who.Name); err != nil {
		return nil, err
	}
	e := aboutUser(newEvent(ctx, actionUserCreate, "access", "create", actor.Principal{TenantID: row.tenant, UserID: a.id, Name: who.Name, Email: who.Email}), User{ID: a.id, Name: who.Name})
	e.Changes = append(inviteChanges(nil, &Invited{who.Email, who.Name, orNone(roles.After)}), selfaudit.Change("/invitation", inviteOpen, inviteAccepted))
	e.Data = []event.Member{selfaudit.Member("invitation_id", row.id), selfaudit.Member("invited_by", by.ID()), selfaudit.Member("roles_to_approve", orNone(waiting))}
	now := s.o.Now().UnixMicro()
	err = s.o.Recorder.Record(ctx, row.tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, row.tenant)
		if err := q.insertAccount(ctx, a); err != nil {
			return err
		}
		if err := roles.Do(ctx, tx); err != nil {
			return err
		}
		if hash == "" { // the link works until the passkey is there
			return q.meetInvitation(ctx, row, a.id)
		}
		return q.endInvitation(ctx, row, inviteAccepted, a.id, now)
	})
	s.roles.Forget(row.tenant)
	if err != nil {
		return nil, err
	}
	for _, r := range waiting {
		// The person is there; that somebody has to ask for a role once more is no reason to send him away.
		if _, err := s.roles.FromOutside(ctx, by, a.id, r, "invitation"); err != nil {
			s.o.Logger.WarnContext(ctx, "a role of an invitation could not be asked for", "tenant", row.tenant, "role", r, "user", a.id, "error", err)
		}
	}
	return &a, nil
}

// rolesOfInvited tells the roles that are given at once from those that others have to approve.
func (s *Service) rolesOfInvited(ctx context.Context, by actor.Principal, user string, roles []string) (waiting []string, change *role.Change, err error) {
	for _, r := range roles {
		waits, err := s.roles.Waits(ctx, by.TenantID, user, r)
		if err != nil {
			return nil, nil, err
		}
		if waits && !by.IsSystem() {
			waiting = append(waiting, r)
		}
	}
	change, err = s.roles.Prepare(ctx, by, user, func([]string) []string {
		return slices.DeleteFunc(slices.Clone(roles), func(r string) bool { return slices.Contains(waiting, r) })
	})
	return waiting, change, err
}

// firstPassword gives a password to somebody who began with a passkey and did not get to the end.
func (s *Service) firstPassword(ctx context.Context, row invitationRow, a account, hash string) error {
	u, err := s.open(ctx, a)
	if err != nil {
		return err
	}
	e := aboutUser(newEvent(ctx, actionPasswordChange, "auth", "update", person(u)), u)
	e.Changes = []event.Change{selfaudit.Change("/invitation", inviteOpen, inviteAccepted)}
	e.Data = []event.Member{selfaudit.Member("invitation_id", row.id)}
	return s.o.Recorder.Record(ctx, row.tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, row.tenant)
		if err := q.setPassword(ctx, a.id, "", hash); err != nil {
			return moved(err)
		}
		if err := q.endAllPending(ctx, a.id); err != nil {
			return err
		}
		return q.endInvitation(ctx, row, inviteAccepted, a.id, s.o.Now().UnixMicro())
	})
}
