package app

import (
	"io"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"probity.dev/internal/actor"
)

// letterBox is a mail server without passwords or TLS, as there may be one on the same machine.
type letterBox struct {
	mu      sync.Mutex
	letters []string
}

func (b *letterBox) NewSession(*smtp.Conn) (smtp.Session, error) { return &postman{box: b}, nil }

type postman struct {
	box *letterBox
	to  string
}

func (p *postman) Mail(string, *smtp.MailOptions) error      { return nil }
func (p *postman) Rcpt(to string, _ *smtp.RcptOptions) error { p.to = to; return nil }
func (p *postman) Reset()                                    {}
func (p *postman) Logout() error                             { return nil }
func (p *postman) Data(r io.Reader) error {
	b, err := io.ReadAll(quotedprintable.NewReader(r))
	p.box.mu.Lock()
	defer p.box.mu.Unlock()
	p.box.letters = append(p.box.letters, "to "+p.to+"\n"+string(b))
	return err
}

func (b *letterBox) open(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(b)
	go s.Serve(l)                   //nolint:errcheck // ends with the test
	t.Cleanup(func() { s.Close() }) //nolint:errcheck // the test ends
	return l.Addr().String()
}

// take returns the letters so far.
func (b *letterBox) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.letters
}

// TestLargeExportIsMailed follows an export of a user into the user's letter box, and the link from there to the file.
func TestLargeExportIsMailed(t *testing.T) {
	dir := t.TempDir()
	first, _ := opened(t, dir, "", "")
	cfg := *first.Config
	first.Close()
	box := &letterBox{}
	cfg.SMTPServer, cfg.SMTPTLS, cfg.SMTPFrom, cfg.PublicURL, cfg.ExportMailFrom = box.open(t), "none", "probity@audit.example", "https://probity.example", 100
	a, err := Open(t.Context(), &cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.exports.Service.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer a.exports.Service.Close()
	if err := a.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer a.stopJobs()
	tenants, err := a.Ledger.Tenants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	users, err := a.Access.Users(t.Context(), actor.System(tenants[0].ID))
	if err != nil {
		t.Fatal(err)
	}
	user := actor.Principal{TenantID: tenants[0].ID, UserID: users[0].ID, Roles: []string{users[0].Role}, Permissions: actor.RolePermissions(users[0].Role), SteppedUpAt: time.Now()}
	c := newCaller(t, a)
	c.answer(t, user, "POST", "/api/exports", `{"format":"csv"}`)
	c.answer(t, actor.System(tenants[0].ID), "POST", "/api/exports", `{"format":"json"}`) // nobody to write to
	for deadline := time.Now().Add(20 * time.Second); len(box.take()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no letter")
		}
	}
	letter := box.take()[0]
	link := regexp.MustCompile(`https://probity\.example/download#(v1\.[\w.-]+)`).FindStringSubmatch(letter)
	if !strings.HasPrefix(letter, "to admin@example.com\n") || link == nil || !strings.Contains(letter, "probity-events-") {
		t.Fatal(letter)
	}
	take := func() *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/api/downloads", strings.NewReader(url.Values{"token": {link[1]}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		c.Transport.(inProcess).h.ServeHTTP(w, r)
		return w
	}
	if w := take(); w.Code != 200 || !strings.HasPrefix(w.Body.String(), "seq,") && !strings.Contains(w.Body.String(), ",") {
		t.Errorf("%d %.200s", w.Code, w.Body)
	}
	events := c.answer(t, user, "GET", "/api/events?action=export.download", "")
	if !strings.Contains(events, `"anonymous"`) {
		t.Error(events)
	}
	// Whoever asked is shut out: the link leads nowhere from then on.
	lock(t, c, users[0].ID, tenants[0].ID)
	if w := take(); w.Code != 404 {
		t.Errorf("%d after the owner was locked", w.Code)
	}
	if n := len(box.take()); n != 1 {
		t.Errorf("%d letters", n)
	}
}

// lock shuts a user out; another admin takes over first.
func lock(t *testing.T, c *caller, userID, tenantID string) {
	t.Helper()
	by := actor.System(tenantID)
	c.answer(t, by, "POST", "/api/users", `{"email":"second@example.com","name":"Second","role":"admin","password":"correct horse battery staple 9"}`)
	c.answer(t, by, "PATCH", "/api/users/"+userID, `{"locked":true}`)
}
