package access

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Invited is whom an invitation is for, and what the person is to have.
type Invited struct {
	Email string `json:"email"`
	Name  string `json:"name"`
	// Roles are given when the invitation is accepted; those that somebody else has to approve are asked for then.
	Roles []string `json:"roles"`
}

// Invitation is somebody who has been asked to come.
type Invitation struct {
	ID string
	Invited
	State     string
	Problem   string // why no letter could be sent
	InvitedBy string // user or API key
	UserID    string // the account that came of it
	CreatedAt time.Time
	ExpiresAt time.Time
	SentAt    time.Time // zero before a letter has gone out
	EndedAt   time.Time // zero while it is open
	// Link is set once, and only where there is no mail server to send it.
	Link string
}

// maxInvitedRoles bounds the roles of an invitation.
const maxInvitedRoles = 20

var errNoPublicURL = errs.New(errs.Conflict, "Links lead to the public address of this server, which its operator has not set (public-url).")

// invitationPath is the page that takes an invitation; the token is in the fragment, which no server sees and no mail scanner sends.
const invitationPath = "/invitation#"

func invitationLabel(id string) string { return "invitation|" + id }

// Invite asks a person to come: by e-mail, or with a link that the caller hands over where this server sends none. Nobody invites to a role that he could not give, or ask for, himself. It is a Conflict when the address has an account or an open invitation.
func (s *Service) Invite(ctx context.Context, p actor.Principal, want Invited) (*Invitation, error) {
	if err := mayManage(p); err != nil {
		return nil, err
	}
	if s.o.PublicURL == "" {
		return nil, errNoPublicURL
	}
	var err error
	if want.Email, err = checkEmail(want.Email); err != nil {
		return nil, err
	}
	if want.Name, err = checkName(want.Name); err != nil {
		return nil, err
	}
	now := s.o.Now()
	row := invitationRow{id: newID(), tenant: p.TenantID, emailIndex: s.emailIndex(want.Email), byUser: p.UserID, byKey: p.KeyID, state: inviteOpen, createdAt: now.UnixMicro(), expiresAt: now.Add(s.o.InvitationFor).UnixMicro()}
	if want.Roles, err = s.inviteRoles(ctx, p, row.id, want); err != nil {
		return nil, err
	}
	body, err := json.Marshal(want)
	if err != nil {
		return nil, err
	}
	sealed, err := s.seal(ctx, p.TenantID, invitationLabel(row.id), string(body))
	if err != nil {
		return nil, err
	}
	row.body = sealed
	link := s.handOver(&row)
	e := s.inviteEvent(ctx, "user.invite", "create", p, row, want)
	e.Changes = append(inviteChanges(nil, &want), selfaudit.Change("/state", nil, inviteOpen), selfaudit.Change("/expires_at", nil, timeText(row.expiresAt)))
	err = s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := in(tx, p.TenantID).insertInvitation(ctx, row); err != nil || link != "" {
			return err
		}
		return s.letter(ctx, tx, p.TenantID, letterInvitation, row.id)
	})
	if err != nil {
		return nil, err
	}
	out := invitationOf(row, want)
	out.Link = link
	return out, nil
}

// handOver makes the link at once where there is no mail server; otherwise it is made when its letter is written.
func (s *Service) handOver(row *invitationRow) (link string) {
	row.tokenHash = nil
	if s.mails() {
		return ""
	}
	token := newToken()
	row.tokenHash = hashToken(token)
	return s.o.PublicURL + invitationPath + token
}

// inviteRoles checks the roles that somebody invites to.
func (s *Service) inviteRoles(ctx context.Context, p actor.Principal, id string, want Invited) ([]string, error) {
	roles := slices.Compact(slices.Sorted(slices.Values(want.Roles)))
	if len(roles) == 0 || len(roles) > maxInvitedRoles {
		return nil, errs.Field("/roles", "count", "Choose 1 to %d roles.", maxInvitedRoles)
	}
	_, err := s.roles.Prepare(ctx, p, id, func([]string) []string { return roles })
	var waits *role.Waiting
	if err != nil && !errors.As(err, &waits) { // what waits for others is asked for when the person comes
		return nil, s.refused(ctx, "user.invite", p, User{ID: id, Name: want.Name}, err)
	}
	return roles, nil
}

// Invitations returns those of the caller's tenant, newest first, the ended ones for thirty days.
func (s *Service) Invitations(ctx context.Context, p actor.Principal) ([]*Invitation, error) {
	if err := mayManage(p); err != nil {
		return nil, err
	}
	rows, err := in(s.o.DB.Read(ctx), p.TenantID).invitations(ctx)
	if err != nil {
		return nil, err
	}
	out := []*Invitation{}
	for _, row := range rows {
		if row.state != inviteOpen && s.o.Now().Sub(time.UnixMicro(row.endedAt)) > inviteKept {
			continue
		}
		who, err := s.openInvitation(ctx, row)
		if err != nil {
			return nil, err
		}
		out = append(out, invitationOf(row, who))
	}
	return out, nil
}

// Reinvite sends an open invitation again, under another link; the old one is dead from now on. It lasts as long as a new one.
func (s *Service) Reinvite(ctx context.Context, p actor.Principal, id string) (*Invitation, error) {
	row, who, err := s.manageInvitation(ctx, p, id)
	if err != nil {
		return nil, err
	}
	if s.o.PublicURL == "" {
		return nil, errNoPublicURL
	}
	if row.state != inviteOpen {
		return nil, errInviteMoved
	}
	if _, err := s.inviteRoles(ctx, p, row.id, who); err != nil {
		return nil, err
	}
	next := row
	next.byUser, next.byKey, next.expiresAt, next.sentAt, next.problem = p.UserID, p.KeyID, s.o.Now().Add(s.o.InvitationFor).UnixMicro(), 0, ""
	if next.expiresAt == row.expiresAt {
		next.expiresAt++
	}
	link := s.handOver(&next)
	e := s.inviteEvent(ctx, "user.invite_resend", "update", p, row, who)
	e.Changes = []event.Change{selfaudit.Change("/expires_at", timeText(row.expiresAt), timeText(next.expiresAt))}
	err = s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := in(tx, p.TenantID).renewInvitation(ctx, row, next.byUser, next.byKey, next.tokenHash, next.expiresAt); err != nil || link != "" {
			return err
		}
		return s.letter(ctx, tx, p.TenantID, letterInvitation, row.id)
	})
	if err != nil {
		return nil, err
	}
	out := invitationOf(next, who)
	out.Link = link
	return out, nil
}

// Withdraw ends an open invitation; its link is dead from now on.
func (s *Service) Withdraw(ctx context.Context, p actor.Principal, id string) error {
	row, who, err := s.manageInvitation(ctx, p, id)
	if err != nil {
		return err
	}
	return s.endInvitation(ctx, p, "user.invite_withdraw", row, who, inviteWithdrawn)
}

func (s *Service) manageInvitation(ctx context.Context, p actor.Principal, id string) (invitationRow, Invited, error) {
	if err := mayManage(p); err != nil {
		return invitationRow{}, Invited{}, err
	}
	row, err := in(s.o.DB.Read(ctx), p.TenantID).invitation(ctx, id)
	if err != nil {
		return row, Invited{}, err
	}
	who, err := s.openInvitation(ctx, row)
	return row, who, err
}

func (s *Service) endInvitation(ctx context.Context, p actor.Principal, action string, row invitationRow, who Invited, state string) error {
	e := s.inviteEvent(ctx, action, "update", p, row, who)
	e.Changes = []event.Change{selfaudit.Change("/state", inviteOpen, state)}
	return s.o.Recorder.Record(ctx, row.tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		return in(tx, row.tenant).endInvitation(ctx, row, state, row.account, s.o.Now().UnixMicro())
	})
}

// sweepInvitations ends those whose time is over, and records it. That they are over does not depend on it.
func (s *Service) sweepInvitations(ctx context.Context) error {
	now := s.o.Now()
	late, err := invitationsOver(ctx, s.o.DB.Read(ctx), now.UnixMicro())
	if err != nil {
		return err
	}
	var all error
	for _, row := range late {
		who, err := s.openInvitation(ctx, row)
		if err == nil {
			err = s.endInvitation(ctx, actor.System(row.tenant), "user.invite_expire", row, who, inviteExpired)
		}
		if errs.CodeOf(err) != errs.Conflict { // otherwise another server was first
			all = errors.Join(all, err)
		}
	}
	return errors.Join(all, s.o.DB.Write(ctx, func(tx *sql.Tx) error { return forgetInvitations(ctx, tx, now.Add(-inviteKept).UnixMicro()) }))
}

func (s *Service) openInvitation(ctx context.Context, row invitationRow) (who Invited, err error) {
	text, err := s.unseal(ctx, row.tenant, invitationLabel(row.id), row.body)
	if err == nil {
		err = json.Unmarshal([]byte(text), &who)
	}
	if err != nil {
		err = errs.Wrap(errs.Internal, err, "an invitation cannot be read")
	}
	return who, err
}

func (s *Service) inviteEvent(ctx context.Context, action, activity string, by actor.Principal, row invitationRow, who Invited) *event.Event {
	e := newEvent(ctx, action, "access", activity, by)
	e.Resource = event.Resource{Type: "invitation", ID: row.id, Name: who.Name}
	return e
}

// inviteChanges are what an invitation says, as what it would change.
func inviteChanges(before, after *Invited) []event.Change {
	fields := func(i *Invited) map[string]any {
		if i == nil {
			return nil
		}
		return map[string]any{"/email": i.Email, "/name": i.Name, "/roles": i.Roles}
	}
	return selfaudit.Changes(fields(before), fields(after))
}

func invitationOf(row invitationRow, who Invited) *Invitation {
	out := &Invitation{ID: row.id, Invited: who, State: row.state, Problem: row.problem, InvitedBy: row.byUser, UserID: row.account, CreatedAt: time.UnixMicro(row.createdAt).UTC(), ExpiresAt: time.UnixMicro(row.expiresAt).UTC()}
	if out.InvitedBy == "" {
		out.InvitedBy = row.byKey
	}
	if row.sentAt > 0 {
		out.SentAt = time.UnixMicro(row.sentAt).UTC()
	}
	if row.endedAt > 0 {
		out.EndedAt = time.UnixMicro(row.endedAt).UTC()
	}
	return out
}

func timeText(us int64) string { return time.UnixMicro(us).UTC().Format(time.RFC3339) }

// mailInvitation writes the letter of an open invitation, with a new link: an earlier one, of an attempt that went wrong, is dead.
func (s *Service) mailInvitation(ctx context.Context, tenant, id string) error {
	row, err := in(s.o.DB.Read(ctx), tenant).invitation(ctx, id)
	if err != nil || row.state != inviteOpen || row.expiresAt <= s.o.Now().UnixMicro() {
		return err
	}
	who, err := s.openInvitation(ctx, row)
	if err != nil {
		return err
	}
	organisation, err := s.organisation(ctx, tenant)
	if err != nil {
		return err
	}
	token := newToken()
	hash := hashToken(token)
	err = s.o.DB.Write(ctx, func(tx *sql.Tx) error { return in(tx, tenant).linkInvitation(ctx, id, hash, s.o.Now().UnixMicro()) })
	if err != nil {
		return err
	}
	err = s.post.mailer.Mail(ctx, Letter{ID: newID(), At: s.o.Now(), To: who.Email, Subject: "You are invited to " + organisation + " on Probity", URL: s.o.PublicURL + invitationPath + token, Label: "Accept the invitation",
		Text: strings.Join([]string{"Hello " + who.Name + ",", "you are invited to sign in to the audit log of " + organisation + ". Follow the link and choose how you want to sign in.",
			"The link works once, until " + time.UnixMicro(row.expiresAt).UTC().Format("2 January 2006 15:04 MST") + ". If you expected no invitation, do nothing; nobody can sign in in your name by it."}, "\n\n")})
	if err != nil {
		return err
	}
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error { return in(tx, tenant).delivered(ctx, id, hash, s.o.Now().UnixMicro()) })
}
