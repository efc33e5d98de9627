package app

import (
	"context"
	"io"

	"probity.dev/access"
	"probity.dev/internal/actor"
	"probity.dev/notify/send"
	"probity.dev/report/export"
	"probity.dev/report/link"
)

// queueOfMail is where e-mail to single persons waits.
const queueOfMail = "mail"

func (a *App) openLinks() {
	o := link.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Jobs: a.jobs, Queue: queueOfMail, PublicURL: a.Config.PublicURL, Logger: a.telemetry.Logger}
	if a.sender.Mail != nil {
		o.Mailer = userMailer{a.sender, a.Access, a.Config.InstanceName}
	}
	a.links = link.New(o)
}

// sharedExports lets links lead to exports.
type sharedExports struct {
	s *export.Service
	// atWork refuses tenants that are shut out: a link lets nobody in either.
	atWork func(ctx context.Context, tenantID string) error
}

// Shared implements link.Target.
func (e sharedExports) Shared(ctx context.Context, by actor.Principal, id string) (link.File, error) {
	f, err := e.s.Shared(ctx, by, id)
	return link.File(f), err
}

// OpenShared implements link.Target.
func (e sharedExports) OpenShared(ctx context.Context, tenantID, id string, read bool) (link.File, io.ReadCloser, error) {
	if err := e.atWork(ctx, tenantID); err != nil {
		return link.File{}, nil, err
	}
	f, body, err := e.s.OpenShared(ctx, tenantID, id, read)
	return link.File(f), body, err
}

// userMailer sends letters to users at the address of their account.
type userMailer struct {
	sender   *send.Sender
	access   *access.Service
	instance string
}

// MailUser implements link.Mailer.
func (m userMailer) MailUser(ctx context.Context, tenantID, userID string, l link.Letter) error {
	return m.mail(ctx, tenantID, userID, &send.Message{ID: l.ID, At: l.At, Title: l.Subject, Text: l.Text, Facts: []send.Fact{{Name: "File", Value: l.File.Name}, {Name: "SHA-256", Value: l.File.SHA256}}, Link: l.URL})
}

// mail sends a message to the address of a user's account.
func (m userMailer) mail(ctx context.Context, tenantID, userID string, what *send.Message) error {
	u, err := m.access.Working(ctx, tenantID, userID)
	if err != nil {
		return err
	}
	what.Severity, what.Sender = send.Info, m.instance
	return mailed(m.sender.Send(ctx, send.Email, &send.Settings{Recipients: []string{u.Email}}, what))
}
