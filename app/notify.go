package app

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/outbound"
	"probity.dev/notify"
	"probity.dev/notify/alert"
	"probity.dev/notify/send"
	"probity.dev/notify/stream"
	"probity.dev/report/export"
	"probity.dev/report/schedule"
)

// watchEvery is how often it is looked whether a log is frozen.
const watchEvery = 5 * time.Second

// notifyPart is the notify service and what it stands on.
type notifyPart struct {
	Service *notify.Service
	Streams *stream.Service
	Alerts  *alert.Service
	client  *outbound.Client
}

func (a *App) openNotify() error {
	client, err := outbound.New(outbound.Options{Allow: a.Config.OutboundAllow, UserAgent: "Probity/" + Version})
	if err != nil {
		return err
	}
	sender := &send.Sender{HTTP: client}
	a.sender = sender
	if a.Config.SMTPServer != "" {
		if sender.Mail, err = send.NewMail(send.MailOptions{Server: a.Config.SMTPServer, From: a.Config.SMTPFrom, Username: a.Config.SMTPUsername, Password: a.Config.SMTPPassword,
			Protection: a.Config.SMTPTLS}); err != nil {
			return err
		}
	}
	a.notify = notifyPart{client: client, Service: notify.New(notify.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Sender: sender,
		Instance: a.Config.InstanceName, PublicURL: a.Config.PublicURL, Logger: a.telemetry.Logger,
		Explain: func(ctx context.Context, tenantID, alertID string) (map[string]string, error) {
			said, err := a.notify.Alerts.Explain(ctx, tenantID, alertID)
			hide := a.masks.Texts(outsider(tenantID))
			for k, v := range said { // a rule may be named after somebody, and where this goes nobody knows who reads it
				said[k] = hide("label", v)
			}
			return said, err
		}}),
		Streams: stream.New(stream.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Sender: sender, Source: streamSource{a}, Notify: func(ctx context.Context, tx *sql.Tx, tenantID string, n notify.Notification) error {
			return a.notify.Service.Notify(ctx, tx, tenantID, n)
		}, Instance: a.Config.InstanceName, Logger: a.telemetry.Logger})}
	a.notify.Alerts = alert.New(alert.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Source: alertSource{a}, Notifier: a.notify.Service, Logger: a.telemetry.Logger})
	return nil
}

// outsider is somebody of whom nothing is known but that they are told something about a tenant: they see what an auditor sees.
func outsider(tenantID string) actor.Principal {
	return actor.Principal{TenantID: tenantID, KeyID: "outside", Roles: []string{actor.RoleAuditor}, Permissions: []string{actor.LedgerSearch}}
}

// verificationFailed tells of a verification that found something wrong, whoever asked for it, and runs the schedules that wait for one.
func (a *App) verificationFailed(ctx context.Context, tx *sql.Tx, tenantID, logID string) error {
	err := a.notify.Service.Notify(ctx, tx, tenantID, notify.Notification{Kind: notify.KindVerificationFailed, Cause: notify.Cause{Type: "log", ID: logID}, Topic: "verification:" + logID})
	if err != nil {
		return err
	}
	return a.schedules.Fire(ctx, tx, tenantID, schedule.TriggerVerificationFailed)
}

// watchLogs says when a log freezes and when it takes events again. What was said last is in the database, so that a restart says nothing twice.
func (a *App) watchLogs(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	frozen := map[string]bool{} // by tenant, as far as it was looked up
	for {
		if err := a.watchOnce(ctx, frozen); err != nil && ctx.Err() == nil {
			a.telemetry.Logger.ErrorContext(ctx, "logs cannot be watched", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *App) watchOnce(ctx context.Context, frozen map[string]bool) error {
	tenants, err := a.Ledger.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		h, err := a.Ledger.Head(ctx, t.ID)
		if err != nil {
			return err
		}
		topic := "log:" + t.LogID
		said, known := frozen[t.ID]
		if !known {
			if said, err = a.notify.Service.Unresolved(ctx, t.ID, topic); err != nil {
				return err
			}
		}
		now := h.Frozen != ""
		if now != said && known && a.db.Shared() { // another server may have said so
			unresolved, err := a.notify.Service.Unresolved(ctx, t.ID, topic)
			if err != nil {
				return err
			}
			said = unresolved
		}
		if now != said {
			kind := notify.KindLogResumed
			if now {
				kind = notify.KindLogFrozen
			}
			if err := a.notify.Service.Say(ctx, t.ID, notify.Notification{Kind: kind, Cause: notify.Cause{Type: "log", ID: t.LogID}, Topic: topic}); err != nil {
				return err
			}
		}
		frozen[t.ID] = now
	}
	return nil
}

// exportNotifier says when exports end, and e-mails the links of large ones.
type exportNotifier struct{ a *App }

// ExportEnded implements export.Notifier.
func (n exportNotifier) ExportEnded(ctx context.Context, tx *sql.Tx, tenantID string, e export.Ended) error {
	what := notify.Notification{Kind: notify.KindExportReady, Cause: notify.Cause{Type: "export", ID: e.ID},
		Params: map[string]string{"format": e.Format, "rows": strconv.FormatInt(e.Rows, 10), "bytes": strconv.FormatInt(e.Bytes, 10)}}
	if e.Failed {
		what.Kind = notify.KindExportFailed
	} else if e.User != "" && (e.Mail || e.Bytes >= n.a.Config.ExportMailFrom) {
		if err := n.a.links.Mail(ctx, tx, tenantID, "export", e.ID, e.User, e.ExpiresAt); err != nil {
			return err
		}
	}
	return n.a.notify.Service.Notify(ctx, tx, tenantID, what)
}
