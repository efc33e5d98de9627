package link

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/selfaudit/selfaudittest"
)

const tenant = "t-1"

var owner = actor.Principal{TenantID: tenant, UserID: "u-1", Name: "Ada Canary", Permissions: []string{actor.ExportsCreate}}

// world is what links stand on: a database, one file, and a post office that may be closed.
type world struct {
	t *testing.T
	*selfaudittest.Ledger
	db *sqldb.DB

	mu       sync.Mutex
	now      time.Time
	content  string // "" when the file is gone
	letters  []Letter
	refusals int
}

func newWorld(t *testing.T) *world {
	db := sqldbtest.Open(t)
	return &world{t: t, Ledger: selfaudittest.New(t, db, tenant), db: db, now: time.Now(), content: "a,b\n"}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) file() (File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.content == "" {
		return File{}, errs.New(errs.NotFound, "gone")
	}
	return File{Name: "x.csv", ContentType: "text/csv", SHA256: "00", Bytes: int64(len(w.content)), ExpiresAt: w.now.Add(48 * time.Hour)}, nil
}

func (w *world) Shared(_ context.Context, by actor.Principal, id string) (File, error) {
	if by.TenantID != tenant || by.UserID != "u-1" || id != "e-1" {
		return File{}, errs.New(errs.NotFound, "There is no such export.")
	}
	return w.file()
}

func (w *world) OpenShared(_ context.Context, tenantID, id string, read bool) (File, io.ReadCloser, error) {
	f, err := w.file()
	if err != nil || tenantID != tenant || id != "e-1" || !read {
		return f, nil, err
	}
	return f, io.NopCloser(strings.NewReader(w.content)), nil
}

func (w *world) MailUser(_ context.Context, _, userID string, l Letter) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refusals > 0 {
		w.refusals--
		return errs.New(errs.Unavailable, "the mail server refused the connection")
	}
	if userID != "u-1" {
		return errs.New(errs.Forbidden, "locked")
	}
	w.letters = append(w.letters, l)
	return nil
}

// last returns the newest event's action and outcome.
func (w *world) last() string {
	list := w.Events()
	if len(list) == 0 {
		return ""
	}
	e := list[len(list)-1]
	return e.Action + " " + e.Outcome.Status
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) service() *Service {
	run := jobs.New(jobs.Options{DB: w.db, Owner: rand.Text(), Alone: true, Queues: map[string]jobs.Queue{"mail": {Workers: 1}}, Poll: 5 * time.Millisecond, Logger: slog.New(slog.DiscardHandler), Recorder: w})
	s := New(Options{DB: w.db, Recorder: w, Sealer: w, Mailer: w, Jobs: run, Queue: "mail", PublicURL: "https://probity.example", Logger: slog.New(slog.DiscardHandler), Now: w.clock})
	s.Add("export", w)
	return s
}

func tokenOf(t *testing.T, l *Link) string {
	t.Helper()
	tok, ok := strings.CutPrefix(l.URL, "https://probity.example/download#")
	if !ok {
		t.Fatalf("the address is %q", l.URL)
	}
	return tok
}

func TestLink(t *testing.T) { sqldbtest.Each(t, testLink) }

func testLink(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	s := w.service()
	l, err := s.Create(ctx, owner, "export", "e-1")
	if err != nil {
		t.Fatal(err)
	}
	tok := tokenOf(t, l)
	if f, until, err := s.About(ctx, tok); err != nil || f.Name != "x.csv" || until.Sub(w.clock()) > Keep || until.Sub(w.clock()) < Keep-2*time.Second {
		t.Errorf("%+v %v %v", f, until, err)
	}
	if w.last() != "export.link_create success" {
		t.Errorf("a look counted: %s", w.last())
	}
	for n := range 2 {
		_, body, err := s.Redeem(ctx, tok)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(body)
		if string(b) != "a,b\n" || w.last() != "export.download success" {
			t.Errorf("%q %s", b, w.last())
		}
		all, err := s.List(ctx, owner, "export", "e-1")
		if err != nil || len(all) != 1 || all[0].Downloads != int64(n+1) || all[0].LastUsedAt == nil || all[0].URL != "" {
			t.Errorf("%+v %v", all, err)
		}
	}
	if e := w.Events()[len(w.Events())-1]; e.Actor.ID != l.ID || e.Resource.ID != "e-1" {
		t.Errorf("%+v", e)
	}
	stranger := owner
	stranger.UserID = "u-2"
	if err := s.Revoke(ctx, stranger, "export", "e-1", l.ID); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("a stranger revoked: %v", err)
	}
	if err := s.Revoke(ctx, owner, "export", "e-1", l.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Redeem(ctx, tok); !errors.Is(err, errDead) || w.last() != "export.download denied" {
		t.Errorf("a revoked link: %v, %s", err, w.last())
	}
	if err := s.Revoke(ctx, owner, "export", "e-1", l.ID); err != nil {
		t.Errorf("revoked twice: %v", err)
	}
}

func TestLinkEnds(t *testing.T) { sqldbtest.Each(t, testLinkEnds) }

func testLinkEnds(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	s := w.service()
	l, err := s.Create(ctx, owner, "export", "e-1")
	if err != nil {
		t.Fatal(err)
	}
	w.content = ""
	if _, _, err := s.Redeem(ctx, tokenOf(t, l)); !errors.Is(err, errDead) {
		t.Errorf("the file is gone: %v", err)
	}
	w.content = "x"
	w.advance(Keep + time.Second)
	if _, _, err := s.Redeem(ctx, tokenOf(t, l)); !errors.Is(err, errDead) || w.last() != "export.download denied" {
		t.Errorf("an expired link: %v, %s", err, w.last())
	}
	if _, _, err := s.About(ctx, tokenOf(t, l)); !errors.Is(err, errDead) {
		t.Errorf("an expired link: %v", err)
	}
	w.advance(rememberFor)
	if err := s.Forget(ctx); err != nil {
		t.Fatal(err)
	}
	if all, err := s.List(ctx, owner, "export", "e-1"); err != nil || len(all) != 0 {
		t.Errorf("%d links are remembered (%v)", len(all), err)
	}
}

// TestForgedTokens changes every part of a token, and every character of its signature.
func TestForgedTokens(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	s := w.service()
	l, err := s.Create(ctx, owner, "export", "e-1")
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Create(ctx, owner, "export", "e-1")
	if err != nil {
		t.Fatal(err)
	}
	good := strings.Split(tokenOf(t, l), ".")
	forged := []string{"", ".", "v1", "v1...", strings.Repeat("a", 5000), "v1.' OR 1=1 --." + good[2] + "." + good[3], strings.Join(good, ".") + "A"}
	swap := func(i int, v string) {
		c := slices.Clone(good)
		c[i] = v
		forged = append(forged, strings.Join(c, "."))
	}
	swap(0, "v2")
	swap(1, other.ID)
	swap(2, good[2]+"0")
	swap(2, "+"+good[2])
	swap(3, "")
	swap(3, strings.Split(tokenOf(t, other), ".")[3])
	for i := range good[3] {
		c := byte('A')
		if good[3][i] == 'A' {
			c = 'Q'
		}
		if i == len(good[3])-1 { // of the last character, four bits are in the signature
			c = map[bool]byte{true: 'Q', false: 'A'}[good[3][i] < 'Q']
		}
		swap(3, good[3][:i]+string(c)+good[3][i+1:])
	}
	before := len(w.Events())
	for _, tok := range forged {
		if _, _, err := s.Redeem(ctx, tok); !errors.Is(err, errDead) {
			t.Errorf("%.100q: %v", tok, err)
		}
	}
	if len(w.Events()) != before {
		t.Error("strangers can fill the log")
	}
	if _, _, err := s.Redeem(ctx, strings.Join(good, ".")); err != nil {
		t.Errorf("the real one: %v", err)
	}
}

func TestTooManyLinks(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	for range maxOpen {
		if _, err := s.Create(t.Context(), owner, "export", "e-1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Create(t.Context(), owner, "export", "e-1"); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("%v", err)
	}
	if _, err := s.Create(t.Context(), owner, "export", "e-2"); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("%v", err)
	}
}

func TestMail(t *testing.T) { sqldbtest.Each(t, testMail) }

func testMail(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	w.now = w.now.Add(time.Hour) // River has a clock of its own
	s := w.service()
	if err := s.o.Jobs.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.o.Jobs.Close(context.Background()) }) //nolint:errcheck // the test ends
	err := w.db.Write(ctx, func(tx *sql.Tx) error {
		if err := s.Mail(ctx, tx, tenant, "export", "e-1", "u-1", w.clock().Add(time.Hour)); err != nil {
			return err
		}
		return s.Mail(ctx, tx, tenant, "export", "e-1", "u-locked", w.clock().Add(time.Hour))
	})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); w.last() != "export.link_mail success"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no letter")
		}
	}
	w.mu.Lock()
	if len(w.letters) != 1 || !w.letters[0].ExpiresAt.Before(w.now.Add(time.Hour+time.Second)) {
		t.Fatalf("%+v", w.letters)
	}
	tok := strings.TrimPrefix(w.letters[0].URL, "https://probity.example/download#")
	w.mu.Unlock()
	if _, _, err := s.Redeem(ctx, tok); err != nil {
		t.Error(err)
	}
	list, _, err := s.o.Jobs.List(ctx, tenant, jobs.Filter{Limit: 10})
	if err != nil || len(list) != 2 {
		t.Fatalf("%v %v", list, err)
	}
	for _, j := range list {
		if strings.Contains(string(j.Args), strings.Split(tok, ".")[3]) {
			t.Errorf("the job holds the token: %s", j.Args)
		}
	}
}

// TestScannersTakeNothing plays what mail scanners and browsers do with an address before a person does.
func TestScannersTakeNothing(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	a := api.New(api.Options{Logger: slog.New(slog.DiscardHandler)})
	s.Register(a)
	srv := httptest.NewServer(a)
	defer srv.Close()
	l, err := s.Create(t.Context(), owner, "export", "e-1")
	if err != nil {
		t.Fatal(err)
	}
	tok := tokenOf(t, l)
	for _, method := range []string{"HEAD", "GET", "OPTIONS", "PUT", "DELETE"} {
		for _, path := range []string{"/api/downloads", "/api/downloads?token=" + tok, "/api/downloads/about"} {
			req, _ := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
			res, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode < 300 && method != "OPTIONS" {
				t.Errorf("%s %s: %d", method, path, res.StatusCode)
			}
		}
	}
	post := func(form url.Values) (*http.Response, string) {
		res, err := srv.Client().PostForm(srv.URL+"/api/downloads", form)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res, string(b)
	}
	if all, _ := s.List(t.Context(), owner, "export", "e-1"); all[0].Downloads != 0 {
		t.Errorf("%d downloads", all[0].Downloads)
	}
	if res, b := post(url.Values{}); res.StatusCode != 400 {
		t.Errorf("%d %s", res.StatusCode, b)
	}
	if res, b := post(url.Values{"token": {tok + "A"}}); res.StatusCode != 404 || strings.Contains(b, tok[:20]) {
		t.Errorf("%d %s", res.StatusCode, b)
	}
	res, b := post(url.Values{"token": {tok}})
	if res.StatusCode != 200 || b != "a,b\n" || !strings.Contains(res.Header.Get("Content-Disposition"), "x.csv") || res.Header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("%d %q %v", res.StatusCode, b, res.Header)
	}
	about, err := srv.Client().Post(srv.URL+"/api/downloads/about", "application/json", strings.NewReader(`{"token":"`+tok+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer about.Body.Close()
	if body, _ := io.ReadAll(about.Body); about.StatusCode != 200 || !strings.Contains(string(body), `"file_name":"x.csv"`) {
		t.Errorf("%d %s", about.StatusCode, body)
	}
}
