package link

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
)

// mailArgs are the arguments of the job that e-mails a link. They hold neither the link's token nor an address.
type mailArgs struct {
	Link string `json:"link"`
}

// Kind implements jobs.Args.
func (mailArgs) Kind() string { return "link.mail" }

// Mails reports whether links can be e-mailed: whether there are a mailer and an address under which people reach the server.
func (s *Service) Mails() bool { return s.o.Mailer != nil && s.o.Jobs != nil && s.o.PublicURL != "" }

// Mail makes a link for a user in tx and sends it by e-mail once tx is committed. The file goes at fileGoes. It does nothing unless [Service.Mails].
func (s *Service) Mail(ctx context.Context, tx *sql.Tx, tenantID, targetType, targetID, userID string, fileGoes time.Time) error {
	if !s.Mails() {
		return nil
	}
	l, err := s.draft(ctx, tenantID, targetType, targetID, "probity", userID, fileGoes)
	if err != nil {
		return err
	}
	if err := insert(ctx, tx, l); err != nil {
		return err
	}
	_, err = s.o.Jobs.Enqueue(ctx, tx, tenantID, mailArgs{Link: l.ID}, jobs.Enqueuing{})
	return err
}

// mail sends one link. A link that has ended is not sent any more.
func (s *Service) mail(ctx context.Context, run *jobs.Run, a mailArgs) error {
	l, err := byID(ctx, s.o.DB.Read(ctx), a.Link)
	if err == nil && (l.tenant != run.TenantID || l.state(s.now()) != "open") {
		return nil
	}
	if err != nil {
		return err
	}
	f, _, err := s.targets[l.targetType].OpenShared(ctx, l.tenant, l.targetID, false)
	if errs.CodeOf(err) == errs.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	url, err := s.url(ctx, l)
	if err != nil {
		return err
	}
	err = s.o.Mailer.MailUser(ctx, l.tenant, l.Recipient, Letter{ID: l.ID, At: l.CreatedAt, Subject: "Your " + l.targetType + " is ready to download", URL: url, File: f, ExpiresAt: l.ExpiresAt,
		Text: fmt.Sprintf("The file you asked for is complete. The link works until %s and can be used by whoever has it, so do not pass it on. Every download is recorded. "+
			"Whoever may manage your exports can revoke the link.", l.ExpiresAt.Format("2 January 2006 15:04 MST"))})
	if err != nil {
		return err
	}
	by := actor.System(l.tenant)
	err = s.o.Recorder.Record(ctx, l.tenant, newEvent(ctx, "link_mail", "send", by, l), func(context.Context, *sql.Tx) error { return nil })
	if err != nil && !errors.Is(err, context.Canceled) {
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "that a link was e-mailed could not be recorded; it is sent once more", slog.String("link", l.ID))
	}
	return err
}
