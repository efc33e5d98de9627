package send

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html/template"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
)

const (
	maxRecipients = 50
	maxAddress    = 254 // characters
	mailTimeout   = 15 * time.Second
)

// The ways to protect the connection to the mail server.
const (
	MailStartTLS = "starttls" // begin in clear, refuse to go on without TLS
	MailTLS      = "tls"      // TLS from the first byte
	MailPlain    = "none"     // no TLS: for a relay on this machine
)

// MailOptions of [NewMail].
type MailOptions struct {
	// Server is host:port.
	Server string
	// From is the sender's address.
	From               string
	Username, Password string
	// Protection is MailStartTLS when empty.
	Protection string
	// RootCAs replaces the system's certificate authorities.
	RootCAs *x509.CertPool
}

// Mail is the operator's mail server. The operator chose it, so that its address is not guarded.
type Mail struct {
	o    MailOptions
	host string
	port int
}

// NewMail returns the mail server that options describe.
func NewMail(o MailOptions) (*Mail, error) {
	host, port, err := net.SplitHostPort(o.Server)
	if err != nil {
		return nil, errs.New(errs.Invalid, "smtp-server must be a host and a port, such as mail.example.com:587")
	}
	m := &Mail{o: o, host: host}
	if m.port, err = strconv.Atoi(port); err != nil {
		return nil, errs.New(errs.Invalid, "the port of smtp-server must be a number")
	}
	if !isAddress(o.From) {
		return nil, errs.New(errs.Invalid, "smtp-from must be an address such as probity@example.com")
	}
	return m, nil
}

func isAddress(s string) bool {
	a, err := netmail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= maxAddress && !strings.ContainsAny(s, "\r\n\x00 ")
}

func (s *Sender) checkMail(set *Settings) error {
	if s.Mail == nil {
		return errs.Field("/kind", "not_configured", "This server has no mail server; its operator sets one with smtp-server and smtp-from.")
	}
	if len(set.Recipients) == 0 || len(set.Recipients) > maxRecipients {
		return errs.Field("/settings/recipients", "count", "E-mail needs 1 to %d recipients.", maxRecipients)
	}
	for i, r := range set.Recipients {
		if !isAddress(r) {
			return errs.Field(fmt.Sprintf("/settings/recipients/%d", i), "invalid", "This is not an e-mail address.")
		}
	}
	return nil
}

func mailTarget(recipients []string) string {
	if len(recipients) == 1 {
		return "1 recipient"
	}
	return fmt.Sprintf("%d recipients", len(recipients))
}

var mailHTML = template.Must(template.New("mail").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title></head>
<body style="margin:0;padding:24px;background:#f6f5f1;color:#1d2a26;font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif">
<div style="max-width:560px;margin:0 auto;padding:24px;background:#fff;border:1px solid #dedbd2;border-radius:8px">
<h1 style="margin:0 0 12px;font-size:20px">{{.Title}}</h1>
{{range .Paragraphs}}<p style="margin:0 0 12px">{{.}}</p>
{{end}}{{if .Facts}}<table style="border-collapse:collapse;margin:0 0 16px">{{range .Facts}}
<tr><th scope="row" style="padding:2px 16px 2px 0;text-align:left;font-weight:600">{{.Name}}</th><td style="padding:2px 0">{{.Value}}</td></tr>{{end}}
</table>
{{end}}{{if .Link}}<p style="margin:0 0 12px"><a href="{{.Link}}" style="color:#0d5c46">{{or .LinkLabel "Open in Probity"}}</a></p>
{{end}}<p style="margin:16px 0 0;color:#5c665f;font-size:13px">{{.Sender}} · {{.ID}}</p>
</div></body></html>
`))

// mailText is the part for readers without HTML.
func mailText(m *Message) string {
	var b strings.Builder
	b.WriteString(m.Title + "\n\n" + m.Text + "\n")
	if len(m.Facts) > 0 {
		b.WriteByte('\n')
	}
	for _, f := range m.Facts {
		b.WriteString(f.Name + ": " + f.Value + "\n")
	}
	if m.Link != "" {
		b.WriteString("\n")
		if m.LinkLabel != "" {
			b.WriteString(m.LinkLabel + ":\n")
		}
		b.WriteString(m.Link + "\n")
	}
	b.WriteString("\n-- \n" + m.Sender + " · " + m.ID + "\n")
	return b.String()
}

// letter builds the e-mail of a message. Its Message-ID is the same at every attempt.
func (ml *Mail) letter(set *Settings, m *Message) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(msg.FromFormat("Probity", ml.o.From), msg.To(set.Recipients...)); err != nil {
		return nil, err
	}
	subject := strings.Join(strings.Fields(m.Title), " ")
	if m.Severity == Critical || m.Severity == Error {
		subject = "[" + m.Severity + "] " + subject
	}
	msg.Subject(cut(subject, 200))
	msg.SetDateWithValue(m.At)
	msg.SetMessageIDWithValue(m.ID + "@" + ml.o.From[strings.LastIndexByte(ml.o.From, '@')+1:])
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: answer no absence notes
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	msg.SetBodyString(mail.TypeTextPlain, mailText(m))
	var html strings.Builder
	if err := mailHTML.Execute(&html, struct {
		*Message
		Paragraphs []string
	}{m, strings.Split(m.Text, "\n\n")}); err != nil {
		return nil, err
	}
	msg.AddAlternativeString(mail.TypeTextHTML, html.String())
	return msg, nil
}

func (ml *Mail) client() (*mail.Client, error) {
	options := []mail.Option{mail.WithPort(ml.port), mail.WithTimeout(mailTimeout), mail.WithTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: ml.host, RootCAs: ml.o.RootCAs})}
	switch ml.o.Protection {
	case MailTLS:
		options = append(options, mail.WithSSL())
	case MailPlain:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if ml.o.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(ml.o.Username), mail.WithPassword(ml.o.Password))
	}
	return mail.NewClient(ml.host, options...)
}

func (s *Sender) sendMail(ctx context.Context, set *Settings, m *Message) Outcome {
	if s.Mail == nil {
		return Outcome{Problem: "this server has no mail server"}
	}
	msg, err := s.Mail.letter(set, m)
	if err != nil {
		return Outcome{Problem: "the e-mail could not be written", Permanent: true}
	}
	c, err := s.Mail.client()
	if err != nil {
		return Outcome{Problem: "the mail server is not set up rightly"}
	}
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	if err := c.DialWithContext(ctx); err != nil {
		return dialOutcome(err)
	}
	defer c.Close()
	if err := c.Send(msg); err != nil {
		return sendOutcome(err)
	}
	return Outcome{OK: true, Code: 250}
}

// dialOutcome says why the mail server could not be used. That is the operator's matter and may pass, so that it is never permanent.
func dialOutcome(err error) Outcome {
	var answer interface{ ErrorCode() int }
	if errors.As(err, &answer) && answer.ErrorCode() != 0 {
		return Outcome{Code: answer.ErrorCode(), Problem: "the mail server refused the connection"}
	}
	e := outbound.Explain(err)
	switch {
	case e.Reason == outbound.Untrusted || e.Reason == outbound.Timeout:
		return Outcome{Problem: "the mail server: " + e.Error()}
	case strings.Contains(err.Error(), "STARTTLS"):
		return Outcome{Problem: "the mail server does not offer TLS, which is required"}
	case strings.Contains(strings.ToUpper(err.Error()), "AUTH"):
		return Outcome{Problem: "the mail server did not take the user name and password"}
	}
	return Outcome{Problem: "the mail server cannot be reached"}
}

// sendOutcome says how a mail server answered. Its own words may repeat a recipient, so that the code is all that is kept.
func sendOutcome(err error) Outcome {
	var e *mail.SendError
	if !errors.As(err, &e) {
		return Outcome{Problem: "the connection to the mail server ended early"}
	}
	o := Outcome{Code: e.ErrorCode(), Permanent: e.ErrorCode() >= 500, Problem: "the mail server does not take the e-mail for now"}
	if o.Permanent {
		o.Problem = "the mail server refused the e-mail"
		if e.Reason == mail.ErrSMTPRcptTo {
			o.Problem = "the mail server refused a recipient"
		}
	}
	return o
}
