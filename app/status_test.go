package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/availability"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger"
)

// visit asks for a path as nobody in particular.
func visit(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func TestStatusPage(t *testing.T) { sqldbtest.Each(t, testStatusPage) }

func testStatusPage(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	a.status.space = func(string) (float64, float64, error) { return 50, 100, nil } // whatever this machine has
	// Two days ago the service was away for an hour, yesterday for three minutes.
	now := time.Now().UTC()
	today := now.Truncate(24*time.Hour).Unix() / 60
	err := a.db.Write(context.Background(), func(tx *sql.Tx) error {
		for minute := today - 2*1440; minute < now.Unix()/60; minute++ {
			if minute >= today-2*1440+60 && minute < today-2*1440+120 {
				continue
			}
			failed := 0
			if minute >= today-1440 && minute < today-1440+3 {
				failed = 6
			}
			if _, err := tx.Exec(`INSERT INTO availability_minute (minute, checks, failed_checks, requests, failed_requests) VALUES ($1, 6, $2, 0, 0)`, minute, failed); err != nil {
				return sqldb.Translate(err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := a.Handler()
	if err != nil {
		t.Fatal(err)
	}
	if w := visit(t, h, "/status"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/signin?next=%2Fstatus" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := visit(t, h, "/api/status"); w.Code != http.StatusUnauthorized {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	var b statusBody
	c := &caller{p: actor.System(tenant)}
	signedIn, err := a.handlerOf(t, c)
	if err != nil {
		t.Fatal(err)
	}
	w := visit(t, signedIn, "/api/status")
	if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil {
		t.Fatal(err, w.Body)
	}
	days := b.Availability.Days
	if b.State != StateOK || len(b.Parts) != 8 || b.Availability.Down != 63 || b.Availability.Left != 216-63 || b.Availability.Budget != 216 || len(days) != 30 ||
		days[27].Down != 60 || days[28].Down != 3 || days[29].Down != 0 || days[0].Measured != 0 || b.Availability.Since == nil {
		t.Errorf("%s", w.Body)
	}
	w = visit(t, signedIn, "/status")
	page := strings.ReplaceAll(w.Body.String(), "\u00a0", " ")
	for _, want := range []string{"Everything works", "Recording events", "2 h 33 min of 3 h 36 min left", "not measured", "3 minutes lost", "60 minutes lost", "99.500 %", `class="bad"`, `class="fair"`, `class="good"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, tenant) || strings.Contains(page, "<script") || !strings.Contains(w.Header().Get("Content-Type"), "text/html") {
		t.Errorf("%v %s", w.Header(), page)
	}
	if f := figures(t, a); f["probity_error_budget_left_minutes"] != 153 || f["probity_part_state"] != 0 || f["probity_availability_ratio"] >= 1 || f["probity_data_size_bytes"] <= f["probity_data_free_bytes"] {
		t.Errorf("%v", f)
	}
}

// handlerOf builds a second HTTP surface of an open data directory, for another authenticator.
func (a *App) handlerOf(t *testing.T, auth api.Authenticator) (http.Handler, error) {
	t.Helper()
	h := api.New(api.Options{Auth: auth})
	a.status.register(h)
	return h, nil
}

func TestStatusPageForEverybody(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	a.Config.StatusPage = "public"
	h, err := a.Handler()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/status", "/api/status"} {
		w := visit(t, h, path)
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), tenant) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	// What has begun to be counted is stored at the end.
	a.status.look(context.Background())
	a.status.end(context.Background())
	var checks int
	if err := a.db.Read(context.Background()).QueryRow(`SELECT SUM(checks) FROM availability_minute`).Scan(&checks); err != nil || checks == 0 {
		t.Error(checks, err)
	}
}

func TestPartsThatDoNotWork(t *testing.T) {
	a, _ := opened(t, t.TempDir(), "", "")
	defer a.Close()
	s := a.status
	now := time.Now()
	fine := ledger.Head{Next: 10, Published: 10, SignedAt: now.Add(-time.Hour), RecordedAt: now.Add(-time.Hour)}
	frozen, unsigned, behind, full := fine, fine, fine, fine
	frozen.Frozen = "the database is old"
	unsigned.Published = 9
	behind.Next, behind.Published = sealBehind+1, sealBehind+1
	full.Next, full.Published = uint64(a.Config.MaxUnsealed), uint64(a.Config.MaxUnsealed)
	for name, c := range map[string]struct {
		part Part
		want State
	}{
		"recording":                   {s.recording([]ledger.Head{fine, fine}), StateOK},
		"one of two is frozen":        {s.recording([]ledger.Head{fine, frozen}), StateDegraded},
		"all are frozen":              {s.recording([]ledger.Head{frozen}), StateDown},
		"too much waits":              {s.recording([]ledger.Head{full}), StateDown},
		"signed":                      {s.checkpoints([]ledger.Head{fine, frozen}), StateOK},
		"not signed for long":         {s.checkpoints([]ledger.Head{fine, unsigned}), StateDegraded},
		"sealed":                      {s.sealing([]ledger.Head{fine}), StateOK},
		"sealing is behind":           {s.sealing([]ledger.Head{behind}), StateDegraded},
		"verified":                    {verification(1, 0, 0), StateOK},
		"never verified":              {verification(0, 0, 0), StateOK},
		"not verified for long":       {verification(1, 0, 1), StateDegraded},
		"a wrong record":              {verification(5, 1, 0), StateDown},
		"a data directory as storage": {s.storage(context.Background()), StateOK},
		"notifications":               {s.notifications(context.Background()), StateOK},
	} {
		if c.part.State != c.want || c.part.Detail == "" || strings.Contains(c.part.Detail, "old database") {
			t.Errorf("%s: %+v", name, c.part)
		}
	}
	a.metrics.SealFailed("x")
	a.metrics.PublishFailed()
	if p := s.sealing([]ledger.Head{fine}); p.State != StateDegraded {
		t.Errorf("%+v", p)
	}
	if p := s.checkpoints([]ledger.Head{fine}); p.State != StateDegraded {
		t.Errorf("%+v", p)
	}
	a.metrics.sealFailed.Store(now.Add(-time.Minute).Unix())
	a.metrics.Sealed(1, time.Second)
	if p := s.sealing([]ledger.Head{fine}); p.State != StateOK {
		t.Errorf("after it worked again: %+v", p)
	}
	if parts := s.parts(context.Background(), errs.New(errs.Unavailable, "the database does not answer")); parts[0].State != StateDown {
		t.Errorf("%+v", parts[0])
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for _, p := range s.parts(gone, nil)[1:5] {
		if p.State != StateDown {
			t.Errorf("with a database that does not answer: %+v", p)
		}
	}
	for _, c := range []struct {
		free, size float64
		want       State
	}{{50, 100, StateOK}, {9.9, 100, StateDegraded}, {0.9, 100, StateDown}} {
		s.space = func(string) (float64, float64, error) { return c.free, c.size, nil }
		if p := s.disk(); p.State != c.want {
			t.Errorf("%v: %+v", c, p)
		}
	}
	s.space = space
	a.Config.Data = "/does/not/exist"
	if p := s.disk(); p.State != StateDown {
		t.Errorf("%+v", p)
	}
	if l := (&looked{parts: []Part{{State: StateOK}, {State: StateDegraded}, {State: StateOK}}}); l.state() != StateDegraded {
		t.Error(l.state())
	}
}

// TestRequestsCount: answers that the service is to blame for count against it, others do not.
func TestRequestsCount(t *testing.T) {
	db := sqldbtest.Open(t)
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	meter := availability.New(db, func() time.Time { return at })
	meter.Check(true)
	o := counting{quiet{}, meter}
	for status, n := range map[int]int{200: 10, 404: 10, 499: 10, 503: 2} {
		for range n {
			_, done := o.Begin(httptest.NewRequest("GET", "/", nil))
			done(api.Outcome{Route: "/api/events", Status: status})
		}
	}
	_, done := o.Begin(httptest.NewRequest("GET", "/", nil))
	done(api.Outcome{Route: "/readyz", Status: 503})
	if err := meter.Store(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	var requests, failed int
	if err := db.Read(context.Background()).QueryRow(`SELECT requests, failed_requests FROM availability_minute`).Scan(&requests, &failed); err != nil || requests != 22 || failed != 2 {
		t.Error(requests, failed, err)
	}
}

type quiet struct{}

// Begin implements api.Observer.
func (quiet) Begin(r *http.Request) (context.Context, func(api.Outcome)) {
	return r.Context(), func(api.Outcome) {}
}

func TestPercentNeverRoundsUp(t *testing.T) {
	for share, want := range map[float64]string{1: "100.000 %", 0.999999: "99.999 %", 0.995: "99.500 %", 0: "0.000 %", 1 - 1.0/43200: "99.997 %"} {
		if got := percent(share); got != want {
			t.Errorf("%v: %s, want %s", share, got, want)
		}
	}
	for i, d := range []dayBody{{Measured: 1440, Down: 1}, {Measured: 1440, Down: 7}, {Measured: 1440, Down: 8}, {Measured: 1440, Down: 1440}} {
		if b := dayBar(i, d); b.Height >= 100 || b.Height < 8 || b.Class == "good" || fmt.Sprint(b.Class == "bad") != fmt.Sprint(i > 1) {
			t.Errorf("%+v: %+v", d, b)
		}
	}
}
