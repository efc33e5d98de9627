package app

import (
	"context"

	"probity.dev/access"
	"probity.dev/access/breached"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/notify/send"
)

// openBreached opens the list of breached passwords, nil when there is none.
func openBreached(cfg *config.Config) (access.Breached, error) {
	if cfg.BreachedPasswords == "" {
		return nil, nil //nolint:nilnil // without a list nothing is compared
	}
	list, err := breached.Open(cfg.BreachedPasswords)
	if err != nil {
		return nil, err
	}
	return list, nil
}

// openPost lets accounts get letters where there is a mail server.
func (a *App) openPost() {
	if a.sender.Mail != nil {
		a.Access.SetPost(a.jobs, queueOfMail, accountMailer{a.sender, a.Config.InstanceName})
	}
}

// accountMailer sends letters about accounts.
type accountMailer struct {
	sender   *send.Sender
	instance string
}

// Mail implements access.Mailer.
func (m accountMailer) Mail(ctx context.Context, l access.Letter) error {
	return mailed(m.sender.Send(ctx, send.Email, &send.Settings{Recipients: []string{l.To}}, &send.Message{ID: l.ID, At: l.At, Title: l.Subject, Text: l.Text, Link: l.URL, LinkLabel: l.Label, Severity: send.Info, Sender: m.instance}))
}

// mailed turns how an attempt ended into an error of a job.
func mailed(out send.Outcome) error {
	switch {
	case out.OK:
		return nil
	case out.Permanent:
		return jobs.Permanent(errs.New(errs.Unavailable, "%s", out.Problem))
	}
	return errs.New(errs.Unavailable, "%s", out.Problem)
}
