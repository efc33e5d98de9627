package send

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// postOffice is an SMTP server with TLS and, if password is set, AUTH.
type postOffice struct {
	mu       sync.Mutex
	letters  []letter
	password string
	refuse   *smtp.SMTPError // of RCPT
	refuseIn *smtp.SMTPError // of DATA
}

type letter struct {
	from, body string
	to         []string
	secure     bool
}

type visitor struct {
	office *postOffice
	conn   *smtp.Conn
	in     bool
	l      letter
}

func (p *postOffice) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &visitor{office: p, conn: c, in: p.password == ""}, nil
}

func (v *visitor) AuthMechanisms() []string { return []string{sasl.Plain} }
func (v *visitor) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "probity" || password != v.office.password {
			return smtp.ErrAuthFailed
		}
		v.in = true
		return nil
	}), nil
}
func (v *visitor) Mail(from string, _ *smtp.MailOptions) error {
	if !v.in {
		return smtp.ErrAuthRequired
	}
	_, v.l.secure = v.conn.TLSConnectionState()
	v.l.from = from
	return nil
}
func (v *visitor) Rcpt(to string, _ *smtp.RcptOptions) error {
	if v.office.refuse != nil {
		return v.office.refuse
	}
	v.l.to = append(v.l.to, to)
	return nil
}
func (v *visitor) Data(r io.Reader) error {
	if v.office.refuseIn != nil {
		return v.office.refuseIn
	}
	b, err := io.ReadAll(r)
	v.l.body = string(b)
	v.office.mu.Lock()
	defer v.office.mu.Unlock()
	v.office.letters = append(v.office.letters, v.l)
	return err
}
func (v *visitor) Reset()        {}
func (v *visitor) Logout() error { return nil }

// open serves the post office on a port of its own; without secure it offers no TLS.
func (p *postOffice) open(t *testing.T, secure, implicit bool) (address string, roots *x509.CertPool) {
	t.Helper()
	lender := httptest.NewTLSServer(nil) // for its certificate, which is made for example.com and 127.0.0.1
	lender.Close()
	roots = x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	s := smtp.NewServer(p)
	s.Domain, s.AllowInsecureAuth = "post.example", true
	if secure {
		s.TLSConfig = &tls.Config{Certificates: lender.TLS.Certificates}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if implicit {
		l = tls.NewListener(l, &tls.Config{Certificates: lender.TLS.Certificates})
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String(), roots
}

func mailer(t *testing.T, o MailOptions) *Sender {
	t.Helper()
	if o.From == "" {
		o.From = "probity@audit.example"
	}
	m, err := NewMail(o)
	if err != nil {
		t.Fatal(err)
	}
	return &Sender{Mail: m}
}

var to = &Settings{Recipients: []string{"ana@example.org", "bo@example.org"}}

func TestMail(t *testing.T) {
	for _, x := range []struct {
		name             string
		secure, implicit bool
		protection       string
	}{{"STARTTLS", true, false, ""}, {"TLS", false, true, MailTLS}, {"plain", false, false, MailPlain}} {
		p := &postOffice{}
		addr, roots := p.open(t, x.secure, x.implicit)
		s := mailer(t, MailOptions{Server: addr, RootCAs: roots, Protection: x.protection})
		m := message()
		m.Title = "Export <failed>\r\nBcc: eve@example.org"
		for range 2 {
			if o := s.Send(t.Context(), Email, to, m); !o.OK || o.Code != 250 {
				t.Fatalf("%s: %+v", x.name, o)
			}
		}
		l := p.letters[0]
		if l.from != "probity@audit.example" || strings.Join(l.to, " ") != "ana@example.org bo@example.org" || x.secure && !l.secure {
			t.Errorf("%s: %+v", x.name, l)
		}
		read, err := mail.ReadMessage(strings.NewReader(l.body))
		if err != nil {
			t.Fatal(err)
		}
		if h := read.Header; h.Get("Subject") != "[error] Export <failed> Bcc: eve@example.org" || h.Get("Bcc") != "" || h.Get("Message-Id") != "<0198c1f2@audit.example>" || h.Get("Auto-Submitted") != "auto-generated" ||
			!strings.HasPrefix(h.Get("Content-Type"), "multipart/alternative") {
			t.Errorf("%s: %v", x.name, h)
		}
		if strings.Contains(l.body, "<h1>Export <failed>") || !strings.Contains(l.body, "Export &lt;failed&gt;") || !strings.Contains(l.body, "https://audit.example.com/exports") {
			t.Errorf("%s: %s", x.name, l.body)
		}
		if other, _ := mail.ReadMessage(strings.NewReader(p.letters[1].body)); other.Header.Get("Message-Id") != read.Header.Get("Message-Id") {
			t.Errorf("%s: the same message has two ids", x.name)
		}
	}
}

func TestMailSignsIn(t *testing.T) {
	p := &postOffice{password: "right-SECRET"}
	addr, roots := p.open(t, true, false)
	if o := mailer(t, MailOptions{Server: addr, RootCAs: roots, Username: "probity", Password: "right-SECRET"}).Send(t.Context(), Email, to, message()); !o.OK {
		t.Errorf("%+v", o)
	}
	if o := mailer(t, MailOptions{Server: addr, RootCAs: roots, Username: "probity", Password: "wrong-SECRET"}).Send(t.Context(), Email, to, message()); o.OK || o.Permanent || strings.Contains(o.Problem, "SECRET") || !strings.Contains(o.Problem, "password") {
		t.Errorf("%+v", o)
	}
	if o := mailer(t, MailOptions{Server: addr, RootCAs: roots}).Send(t.Context(), Email, to, message()); o.OK {
		t.Errorf("%+v", o)
	}
	if len(p.letters) != 1 {
		t.Errorf("%d letters", len(p.letters))
	}
}

func TestMailNeedsTLS(t *testing.T) {
	p := &postOffice{}
	plain, _ := p.open(t, false, false)
	if o := mailer(t, MailOptions{Server: plain}).Send(t.Context(), Email, to, message()); o.OK || !strings.Contains(o.Problem, "TLS") {
		t.Errorf("%+v", o)
	}
	// A certificate that nobody vouches for.
	secure, _ := p.open(t, true, false)
	if o := mailer(t, MailOptions{Server: secure, RootCAs: x509.NewCertPool()}).Send(t.Context(), Email, to, message()); o.OK || !strings.Contains(o.Problem, "certificate") {
		t.Errorf("%+v", o)
	}
	if len(p.letters) != 0 {
		t.Error("a letter went out")
	}
}

func TestMailRefusals(t *testing.T) {
	p := &postOffice{}
	addr, roots := p.open(t, true, false)
	s := mailer(t, MailOptions{Server: addr, RootCAs: roots})
	for _, x := range []struct {
		rcpt, data *smtp.SMTPError
		permanent  bool
		code       int
	}{
		{rcpt: &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no ana@example.org here"}, permanent: true, code: 550},
		{rcpt: &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted"}, code: 451},
		{data: &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "ana@example.org is full"}, permanent: true, code: 552},
		{data: &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "going down"}, code: 421},
	} {
		p.refuse, p.refuseIn = x.rcpt, x.data
		o := s.Send(t.Context(), Email, to, message())
		if o.OK || o.Permanent != x.permanent || o.Code != x.code || strings.Contains(o.Problem, "ana@") {
			t.Errorf("%d: %+v", x.code, o)
		}
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if o := mailer(t, MailOptions{Server: closed.Addr().String()}).Send(t.Context(), Email, to, message()); o.OK || o.Permanent || strings.Contains(o.Problem, "127") {
		t.Errorf("%+v", o)
	}
}

func TestMailSettings(t *testing.T) {
	for _, o := range []MailOptions{{Server: "mail", From: "a@b.c"}, {Server: "mail:x", From: "a@b.c"}, {Server: "mail:25", From: "nobody"}, {Server: "mail:25", From: "A <a@b.c>"}} {
		if _, err := NewMail(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	s := mailer(t, MailOptions{Server: "mail:25"})
	for _, r := range [][]string{nil, make([]string, 51), {"nobody"}, {"a@b.c\r\nBcc: x@y.z"}, {"Ana <a@b.c>"}, {strings.Repeat("a", 252) + "@b.c"}} {
		if s.Check(Email, &Settings{Recipients: r}) == nil {
			t.Errorf("%q were accepted", r)
		}
	}
	if err := s.Check(Email, to); err != nil {
		t.Error(err)
	}
}
