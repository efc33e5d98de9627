package oidc

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"

	"probity.dev/access/scope"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// account returns the account of a person, which may be made or linked now, with the role that the groups give.
func (s *Service) account(ctx context.Context, p Provider, who person) (string, error) {
	key := s.subjectKey(p, who.issuer, who.subject)
	var user string
	err := scope.In(s.o.DB.Read(ctx), p.tenant).Row(ctx, `SELECT account_id FROM oidc_identity WHERE subject = $1 AND tenant_id = $2`, key).Scan(&user)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", sqldb.Translate(err)
	}
	trusted := who.verified && p.trusts(who.email)
	if len(p.Domains) > 0 && !trusted {
		return "", refused(reasonDomain)
	}
	role := p.role(who.groups)
	if len(p.Roles) > 0 && role == "" {
		return "", refused(reasonRole)
	}
	if !known {
		var made bool
		if user, made, err = s.meet(ctx, p, who, key, role, trusted); err != nil || made {
			return user, err
		}
	}
	if len(p.Roles) > 0 {
		// That the last admin keeps his role is no reason to keep him out.
		if err := s.o.Accounts.SetRole(ctx, through(p), user, role); err != nil && errs.CodeOf(err) != errs.Conflict {
			return "", err
		}
	}
	return user, nil
}

// subjectKey is how a person of an issuer is found.
func (s *Service) subjectKey(p Provider, issuer, subject string) string {
	return base64.RawURLEncoding.EncodeToString(s.o.Index("oidc|" + p.tenant + "|" + issuer + "|" + subject))
}

// through is the actor of what a sign-in at a provider changes: the server, by the tenant's settings.
func through(p Provider) actor.Principal {
	by := actor.System(p.tenant)
	by.Name = "sign-in through " + p.Name
	return by
}

// meet finds or makes the account of somebody who comes for the first time. An address leads to an account only when the provider is trusted for it.
func (s *Service) meet(ctx context.Context, p Provider, who person, key, role string, trusted bool) (user string, made bool, err error) {
	if !trusted {
		return "", false, refused(reasonNoAccount)
	}
	user, err = s.o.Accounts.ByEmail(ctx, p.tenant, who.email)
	if err == nil {
		return user, false, s.link(ctx, p, key, user)
	}
	if errs.CodeOf(err) != errs.NotFound {
		return "", false, err
	}
	if !p.CreateUsers {
		return "", false, refused(reasonNoAccount)
	}
	if role == "" {
		return "", false, refused(reasonRole)
	}
	name := who.name
	if name == "" {
		name = who.email
	}
	user, err = s.o.Accounts.Provision(ctx, through(p), who.email, name, role, "oidc_provider/"+p.ID, func(ctx context.Context, tx *sql.Tx, userID string) error {
		return s.insert(ctx, tx, p.tenant, key, userID)
	})
	if code := errs.CodeOf(err); code == errs.Conflict || code == errs.Invalid {
		err = refused(reasonTaken)
	}
	return user, true, err
}

func (s *Service) insert(ctx context.Context, tx *sql.Tx, tenant, key, user string) error {
	_, err := scope.In(tx, tenant).Exec(ctx, `INSERT INTO oidc_identity (subject, account_id, linked_at, tenant_id) VALUES ($1, $2, $3, $4)`, key, user, s.o.Now().UnixMicro())
	return err
}

// link remembers that a person of a provider has an account.
func (s *Service) link(ctx context.Context, p Provider, key, user string) error {
	e := selfaudit.New(ctx, through(p), "access", "user.link", "update", event.Resource{Type: "user", ID: user})
	e.Data = []event.Member{selfaudit.Member("provider_id", p.ID), selfaudit.Member("because", "verified e-mail address of a trusted domain")}
	err := s.o.Recorder.Record(ctx, p.tenant, e, func(ctx context.Context, tx *sql.Tx) error { return s.insert(ctx, tx, p.tenant, key, user) })
	if errs.CodeOf(err) == errs.Conflict { // linked by a sign-in at the same time
		return nil
	}
	return err
}

// Outside is what sign-in providers of a tenant give: roles by groups, to the people who sign in there.
type Outside struct {
	// Providers are the names of those whose groups give a role, by role.
	Providers map[string][]string
	// People are the ids of accounts that somebody at a provider has. Which groups they are in is known at sign-in only.
	People map[string]bool
}

// Outside returns what sign-in providers of a tenant give.
func (s *Service) Outside(ctx context.Context, tenant string) (Outside, error) {
	out := Outside{map[string][]string{}, map[string]bool{}}
	all, err := s.of(ctx, tenant)
	if err != nil {
		return out, err
	}
	for _, p := range all {
		given := map[string]bool{}
		for role := range values(p.Roles) {
			given[role] = true
		}
		for role := range given {
			out.Providers[role] = append(out.Providers[role], p.Name)
		}
	}
	rows, err := scope.In(s.o.DB.Read(ctx), tenant).Rows(ctx, `SELECT account_id FROM oidc_identity WHERE tenant_id = $1`)
	_, err = scope.Collect(rows, err, func(r scope.Scanner) (_ struct{}, err error) {
		var id string
		err = r.Scan(&id)
		out.People[id] = true
		return struct{}{}, sqldb.Translate(err)
	})
	return out, err
}
