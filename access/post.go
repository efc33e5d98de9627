package access

import (
	"context"
	"database/sql"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
)

// Letter is an e-mail to one person.
type Letter struct {
	// ID is another one at every attempt, because the link is: a reader who drops the repetition of a message must not keep the one whose link is dead.
	ID string
	At time.Time
	// To is the address.
	To      string
	Subject string
	Text    string // paragraphs, separated by empty lines
	// URL is where the letter leads, Label what the link is called.
	URL, Label string
}

// Mailer sends e-mail. The error is one of [jobs.Permanent] when trying again is no use.
type Mailer interface {
	Mail(ctx context.Context, l Letter) error
}

// post is how letters go out: by jobs, which try until a letter is taken. A job names what the letter is about, never whom it goes to or what is in it; the token of a link is made when its letter is written, so that it stands
// in no database.
type post struct {
	jobs   *jobs.Service
	mailer Mailer
}

// The letters.
const (
	letterInvitation = "invitation"
	letterReset      = "password_reset"
	letterChanged    = "password_changed"
)

// letterArgs are the arguments of the job that sends a letter.
type letterArgs struct {
	Letter string `json:"letter"`
	// About is the id of the invitation, of the link or of the account.
	About string `json:"about"`
}

// Kind implements jobs.Args.
func (letterArgs) Kind() string { return "access.letter" }

// SetPost has the service send e-mail. It must be called before the service and the jobs are used.
func (s *Service) SetPost(j *jobs.Service, queue string, m Mailer) {
	s.post = &post{j, m}
	jobs.Register(j, jobs.Kind[letterArgs]{Queue: queue, Attempts: 8, Timeout: time.Minute, BackOff: 5 * time.Second, Work: s.writeLetter, Failed: s.noLetter})
}

// mails reports whether letters with links can be sent.
func (s *Service) mails() bool { return s.post != nil && s.o.PublicURL != "" }

// letter has a letter sent once tx is committed.
func (s *Service) letter(ctx context.Context, tx *sql.Tx, tenant, what, about string) error {
	if s.post == nil {
		return nil
	}
	_, err := s.post.jobs.Enqueue(ctx, tx, tenant, letterArgs{what, about}, jobs.Enqueuing{})
	return err
}

// writeLetter writes and sends one letter. What it was about may be over by now; then there is nothing to send.
func (s *Service) writeLetter(ctx context.Context, run *jobs.Run, a letterArgs) error {
	var err error
	switch a.Letter {
	case letterInvitation:
		err = s.mailInvitation(ctx, run.TenantID, a.About)
	case letterReset:
		err = s.mailReset(ctx, run.TenantID, a.About)
	case letterChanged:
		err = s.mailChanged(ctx, run.TenantID, a.About)
	default:
		return jobs.Permanent(errs.New(errs.Internal, "there is no letter of this kind"))
	}
	if errs.CodeOf(err) == errs.NotFound {
		return nil
	}
	return err
}

// noLetter notes that a letter could not be sent.
func (s *Service) noLetter(ctx context.Context, run *jobs.Run, a letterArgs, cause error) {
	if a.Letter != letterInvitation {
		return
	}
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		return in(tx, run.TenantID).undelivered(ctx, a.About, errs.Message(cause))
	})
	if err != nil {
		s.o.Logger.WarnContext(ctx, "that an invitation could not be sent was not noted", "error", err)
	}
}

// organisation is the name of a tenant, for letters.
func (s *Service) organisation(ctx context.Context, tenant string) (string, error) {
	return tenantName(ctx, s.o.DB.Read(ctx), tenant)
}
