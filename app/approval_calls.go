package app

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity.dev/access/approval"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/notify/send"
)

// callArgs are the arguments of the job that finds out who may decide a request.
type callArgs struct {
	Approval string `json:"approval"`
	Reminder bool   `json:"reminder"`
}

// Kind implements jobs.Args.
func (callArgs) Kind() string { return "approval.call" }

// callLetterArgs are the arguments of the job that tells one of them.
type callLetterArgs struct {
	Approval string `json:"approval"`
	User     string `json:"user"`
	Reminder bool   `json:"reminder"`
}

// Kind implements jobs.Args.
func (callLetterArgs) Kind() string { return "approval.letter" }

// openCalls has those who may decide get a letter each, where there is a mail server.
func (a *App) openCalls() {
	if a.sender.Mail == nil {
		return
	}
	jobs.Register(a.jobs, jobs.Kind[callArgs]{Queue: queueOfMail, Attempts: 8, Timeout: time.Minute, BackOff: 5 * time.Second, Work: a.callApprovers})
	jobs.Register(a.jobs, jobs.Kind[callLetterArgs]{Queue: queueOfMail, Attempts: 8, Timeout: time.Minute, BackOff: 5 * time.Second, Work: a.mailApprover})
}

// call has those who may decide a request told of it once tx is committed.
func (a *App) call(ctx context.Context, tx *sql.Tx, r *approval.Request, reminder bool) error {
	if a.sender.Mail == nil || r.State != approval.Pending {
		return nil
	}
	_, err := a.jobs.Enqueue(ctx, tx, r.TenantID, callArgs{r.ID, reminder}, jobs.Enqueuing{})
	return err
}

// remindOfApproval tells them once more.
func (a *App) remindOfApproval(ctx context.Context, tx *sql.Tx, r *approval.Request) error {
	return a.call(ctx, tx, r, true)
}

// callApprovers makes a letter of its own for each who may decide now, all or none of them.
func (a *App) callApprovers(ctx context.Context, run *jobs.Run, c callArgs) error {
	_, users, err := a.approvals.Called(ctx, run.TenantID, c.Approval)
	if errs.CodeOf(err) == errs.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		for _, user := range users {
			if _, err := a.jobs.Enqueue(ctx, tx, run.TenantID, callLetterArgs{c.Approval, user, c.Reminder}, jobs.Enqueuing{Unique: true}); err != nil {
				return err
			}
		}
		return nil
	})
}

// mailApprover tells one person of a request, unless it does not wait any more or he may not decide it any more. The letter names nobody: who asks, for whom and why is on the page that it leads to.
func (a *App) mailApprover(ctx context.Context, run *jobs.Run, c callLetterArgs) error {
	r, users, err := a.approvals.Called(ctx, run.TenantID, c.Approval)
	if errs.CodeOf(err) == errs.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	for _, user := range users {
		if user != c.User {
			continue
		}
		u, err := a.Access.Working(ctx, run.TenantID, user)
		if err != nil {
			return jobs.Permanent(err)
		}
		m := &send.Message{ID: approvalLetterID(c), At: r.CreatedAt, Title: "Your approval is asked for: " + r.Title, Severity: send.Info, Sender: a.Config.InstanceName, LinkLabel: "Look at the request",
			Text: strings.Join([]string{"Somebody of your organisation asks for something that others have to approve, and you may. The page of the request shows exactly what would be done, who asks and why.",
				fmt.Sprintf("%d of %d have approved. It can be decided until %s.", r.Given, r.Needed, r.ExpiresAt.Format("2 January 2006 15:04 MST"))}, "\n\n")}
		if c.Reminder {
			m.Title, m.At = "Still waiting: "+r.Title, time.Now()
		}
		if a.Config.PublicURL != "" {
			m.Link = a.Config.PublicURL + "/approvals?id=" + r.ID
		}
		return mailed(a.sender.Send(ctx, send.Email, &send.Settings{Recipients: []string{u.Email}}, m))
	}
	return nil
}

// approvalLetterID is the same at every attempt, and another one for every person and for the reminder.
func approvalLetterID(c callLetterArgs) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "%s|%s|%t", c.Approval, c.User, c.Reminder)).String()
}
