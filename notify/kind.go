package notify

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"probity.dev/notify/send"
)

// Kind is a kind of notification with its words.
type Kind struct {
	Name string `json:"name" doc:"Topics name kinds by this"`
	// Label and About are for the person who chooses topics.
	Label    string `json:"label"`
	About    string `json:"about"`
	Severity string `json:"severity" enum:"info,warning,error,critical"`
	// Params that must be given.
	Params []string `json:"-"`
	// Resolves says that the trouble of the same topic is over.
	Resolves bool `json:"-"`
	// Explained kinds also have the parameters that [Options.Explain] finds, "rule" at least.
	Explained bool `json:"-"`
	// Path of the console that shows the cause, a template like Title and Text.
	Path  string `json:"-"`
	Title string `json:"-"`
	Text  string `json:"-"`
}

// The kinds of notification that the server knows.
const (
	KindTest               = "channel.test"
	KindChannelPaused      = "channel.paused"
	KindExportReady        = "export.ready"
	KindExportFailed       = "export.failed"
	KindLogFrozen          = "log.frozen"
	KindLogResumed         = "log.resumed"
	KindVerificationFailed = "log.verification_failed"
	KindStreamPaused       = "stream.paused"
	KindAlertInfo          = "alert.info"
	KindAlertWarning       = "alert.warning"
	KindAlertError         = "alert.error"
	KindAlertCritical      = "alert.critical"
	KindAlertResolved      = "alert.resolved"
	KindAlertRuleStopped   = "alert.rule_stopped"
	KindApprovalPending    = "approval.pending"
	KindApprovalEnded      = "approval.ended"
	KindBreakGlass         = "access.break_glass"
	KindReviewStarted      = "access_review.started"
	KindReviewOverdue      = "access_review.overdue"
	KindReviewClosed       = "access_review.closed"
)

var kindList = []Kind{
	{Name: KindExportReady, Label: "Export finished", About: "A file that somebody asked for can be downloaded.", Severity: send.Info, Params: []string{"format", "rows", "bytes"}, Path: "/exports",
		Title: "An export is ready", Text: "The export with {{.rows}} rows ({{.format}}, {{.bytes}} bytes) can be downloaded for a day by whoever asked for it."},
	{Name: KindExportFailed, Label: "Export failed", About: "A file that somebody asked for could not be written.", Severity: send.Warning, Params: []string{"format"}, Path: "/exports",
		Title: "An export failed", Text: "The export ({{.format}}) could not be written. The console says why."},
	{Name: KindLogFrozen, Label: "Log frozen", About: "The log takes no events, because it contradicts what was signed before.", Severity: send.Critical, Path: "/log",
		Title: "The log takes no more events", Text: "The log does not agree with what was signed before, so it is frozen: nothing is recorded until an operator has found out why. The runbook is docs/runbooks/log-frozen.md."},
	{Name: KindLogResumed, Label: "Log takes events again", About: "A frozen log works again.", Severity: send.Info, Path: "/log", Resolves: true,
		Title: "The log takes events again", Text: "The log was frozen and is not any more."},
	{Name: KindVerificationFailed, Label: "Verification failed", About: "The nightly check found a record that is not what was recorded.", Severity: send.Critical, Path: "/log",
		Title: "The log does not verify", Text: "The check of the log and its working copies found a record that is not as it was recorded. The runbook is docs/runbooks/wrong-record.md."},
	alertKind(KindAlertCritical, "Critical alert", send.Critical),
	alertKind(KindAlertError, "Alert of the severity error", send.Error),
	alertKind(KindAlertWarning, "Warning", send.Warning),
	alertKind(KindAlertInfo, "Alert for information", send.Info),
	{Name: KindAlertResolved, Label: "Alert ended", About: "What an alert told of has not happened for the rule's cool-down.", Severity: send.Info, Params: []string{"alert"}, Path: "/alerts?alert={{.alert}}", Resolves: true, Explained: true,
		Title: "Ended: {{.rule}}", Text: "What the alert told of has not happened for some time."},
	{Name: KindAlertRuleStopped, Label: "Alert rule stopped", About: "An alert rule selects so much that the server does not follow it any more.", Severity: send.Warning, Path: "/alerts?tab=rules",
		Title: "An alert rule was stopped", Text: "An alert rule selects so many events that it is not followed any more. The console says which and why."},
	{Name: KindApprovalPending, Label: "Approval wanted", About: "Somebody asks for what others have to approve.", Severity: send.Warning, Params: []string{"approval", "what"}, Path: "/approvals?id={{.approval}}",
		Title: "Approval wanted: {{.what}}", Text: "Somebody of your organisation asks for something that somebody else has to approve. The console shows exactly what would be done, who asks, and until when it can be decided."},
	{Name: KindApprovalEnded, Label: "Approval decided", About: "What somebody asked for was approved, denied, taken back, or nobody decided in time.", Severity: send.Info, Params: []string{"approval", "what", "state"}, Path: "/approvals?id={{.approval}}", Resolves: true,
		Title: "{{.what}}: {{.state}}", Text: "A request that waited for approval has come to its end: {{.state}}."},
	{Name: KindBreakGlass, Label: "Break-glass", About: "Somebody took a right at once, in an emergency.", Severity: send.Critical, Params: []string{"approval"}, Path: "/approvals?id={{.approval}}",
		Title: "Somebody broke the glass", Text: "Somebody of your organisation sees personal values as they are, at once and without approval, for an emergency. Somebody else has to review whether it was justified; a denied review ends it."},
	{Name: KindReviewStarted, Label: "Review of access begun", About: "What people may do is to be confirmed or revoked.", Severity: send.Info, Params: []string{"review", "items"}, Path: "/reviews?id={{.review}}",
		Title: "A review of access has begun", Text: "{{.items}} of what people may do are to be confirmed or revoked, each with a reason. The console shows who reviews what, and until when."},
	{Name: KindReviewOverdue, Label: "Review of access overdue", About: "Nobody has decided everything in time.", Severity: send.Error, Params: []string{"review", "waiting"}, Path: "/reviews?id={{.review}}",
		Title: "A review of access is overdue", Text: "The time is over, and {{.waiting}} of what people may do still wait for a decision."},
	{Name: KindReviewClosed, Label: "Review of access closed", About: "A review is closed and its evidence can be had.", Severity: send.Info, Params: []string{"review"}, Path: "/reviews?id={{.review}}", Resolves: true,
		Title: "A review of access is closed", Text: "What it has decided is recorded, and its evidence can be downloaded."},
	{Name: KindStreamPaused, Label: "Stream paused", About: "A stream's receiver failed for so long that the stream was paused.", Severity: send.Warning, Path: "/streams",
		Title: "A stream of events was paused", Text: "The receiver of a stream has taken nothing for four days, or wants no more. The log keeps what it has not had; a resumed stream catches up."},
	{Name: KindChannelPaused, Label: "Channel paused", About: "Another channel failed for so long that it was paused.", Severity: send.Warning, Path: "/notifications",
		Title: "A notification channel was paused", Text: "Another channel of your organisation could not deliver and was paused. What it should have delivered waits among the dead letters."},
	{Name: KindTest, Label: "Test", About: "What the test button sends.", Severity: send.Info, Path: "/notifications",
		Title: "Test notification", Text: "This is a test of a notification channel. Nothing happened."},
}

// alertKind is the kind of notification that tells of alerts of one severity, so that channels can choose by it.
func alertKind(name, label, severity string) Kind {
	return Kind{Name: name, Label: label, About: "An alert rule found what it looks for.", Severity: severity, Params: []string{"alert", "what", "events", "first_seq"}, Path: "/alerts?alert={{.alert}}", Explained: true,
		Title: "{{.rule}}", Text: "{{.what}}. The first of them is number {{.first_seq}} of the log. Who it was is shown in the console to those who may see it."}
}

type compiled struct {
	Kind
	title, text, path *template.Template
}

var kinds = func() map[string]*compiled {
	m := map[string]*compiled{}
	parse := func(s string) *template.Template {
		return template.Must(template.New("").Option("missingkey=error").Parse(s))
	}
	for _, k := range kindList {
		m[k.Name] = &compiled{Kind: k, title: parse(k.Title), text: parse(k.Text), path: parse(k.Path)}
	}
	return m
}()

// Kinds returns the kinds of notification in the order of the documentation.
func Kinds() []Kind { return slices.Clone(kindList) }

// payload is what programs get of a notification.
type payload struct {
	ID       string            `json:"id"`
	Severity string            `json:"severity"`
	Title    string            `json:"title"`
	Text     string            `json:"text"`
	Cause    Cause             `json:"cause"`
	Params   map[string]string `json:"params"`
	Link     string            `json:"link,omitempty"`
	Tenant   string            `json:"tenant_id"`
}

// explain adds what is kept encrypted until it is sent: the name of an alert's rule.
func (s *Service) explain(ctx context.Context, n *notification, params map[string]string) error {
	params["rule"] = "Alert"
	if s.o.Explain == nil {
		return nil
	}
	more, err := s.o.Explain(ctx, n.tenant, n.causeID)
	maps.Copy(params, more)
	return err
}

// message renders a stored notification for a delivery.
func (s *Service) message(ctx context.Context, d *delivery, n *notification) (*send.Message, error) {
	k, ok := kinds[n.kind]
	if !ok {
		k = kinds[KindTest] // written by a newer server; what it was about is in the cause
		k = &compiled{Kind: Kind{Severity: send.Warning}, title: k.title, text: k.text, path: k.path}
	}
	params := map[string]string{}
	if err := json.Unmarshal([]byte(n.params), &params); err != nil {
		return nil, err
	}
	if k.Explained {
		if err := s.explain(ctx, n, params); err != nil {
			return nil, err
		}
	}
	render := func(t *template.Template) (string, error) {
		var b strings.Builder
		err := t.Execute(&b, params)
		return b.String(), err
	}
	title, err := render(k.title)
	if err != nil {
		return nil, err
	}
	text, err := render(k.text)
	if err != nil {
		return nil, err
	}
	m := &send.Message{ID: d.id, Type: n.kind, Severity: k.Severity, Action: send.Trigger, Group: n.topic, Title: title, Text: text, Sender: s.o.Instance, At: time.UnixMicro(n.createdAt).UTC()}
	if k.Resolves {
		m.Action = send.Resolve
	}
	if s.o.PublicURL != "" {
		path, err := render(k.path)
		if err != nil {
			return nil, err
		}
		m.Link = s.o.PublicURL + path
	}
	m.Facts = append(m.Facts, send.Fact{Name: "Cause", Value: n.causeType + " " + n.causeID})
	for _, name := range k.Params {
		m.Facts = append(m.Facts, send.Fact{Name: strings.ToUpper(name[:1]) + name[1:], Value: params[name]})
	}
	m.Data = payload{ID: n.id, Severity: k.Severity, Title: title, Text: text, Cause: Cause{Type: n.causeType, ID: n.causeID}, Params: params, Link: m.Link, Tenant: n.tenant}
	return m, nil
}
