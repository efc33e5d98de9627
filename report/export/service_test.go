package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/event"
)

func TestExportLifecycle(t *testing.T) { sqldbtest.Each(t, testExportLifecycle) }

func testExportLifecycle(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	ctx := context.Background()
	for _, format := range Formats() {
		e, err := s.Create(ctx, auditor, Request{Format: format, Title: "Quarter", Filter: Filter{Actor: []string{"ana.canary@example.com"}}})
		if err != nil {
			t.Fatal(format, err)
		}
		if e.Status != statusQueued || e.DownloadURL != "" || e.Title != "Quarter" {
			t.Errorf("%+v", e)
		}
		done := wait(t, s, e.ID, statusDone)
		b := download(t, s, auditor, e.ID)
		sum := sha256.Sum256(b)
		if done.Bytes != int64(len(b)) || done.SHA256 != hex.EncodeToString(sum[:]) || done.DownloadURL != "/api/exports/"+e.ID+"/file" ||
			!strings.HasSuffix(done.FileName, Extension(format)) {
			t.Errorf("%s: %d bytes, %+v", format, len(b), done)
		}
		if format != FormatBundle && (done.RowsDone != 5 || *done.RowsTotal != 5) {
			t.Errorf("%s: %+v", format, done)
		}
	}
	if got, want := w.actions(), strings.TrimSpace(strings.Repeat("create:success complete:success download:success ", len(Formats()))); got != want {
		t.Errorf("recorded %s", got)
	}
	w.noCanaries()
	list, err := s.List(ctx, auditor)
	if err != nil || len(list) != len(Formats()) || list[0].Format != FormatBundle {
		t.Errorf("%v %v", list, err)
	}
}

// noCanaries checks that neither the database nor the files show what was typed or exported.
func (w *world) noCanaries() {
	w.t.Helper()
	stored := sqldbtest.Stored(w.t, w.db)
	err := filepath.WalkDir(filepath.Dir(w.dir), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		stored[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for name, b := range stored {
		for _, canary := range []string{"canary", "Canary", "Bob Müller", "bob@example.com", "Haircut"} {
			if bytes.Contains(b, []byte(canary)) {
				w.t.Errorf("%s is in %s", canary, filepath.Base(name))
			}
		}
	}
}

func TestExportRights(t *testing.T) { sqldbtest.Each(t, testExportRights) }

func testExportRights(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	ctx := context.Background()
	writer := actor.Principal{TenantID: tenant, UserID: "u-w", Permissions: actor.RolePermissions(actor.RoleWriter)}
	other := auditor
	other.UserID = "u-other"
	foreign := admin
	foreign.TenantID = "t-2"
	if _, err := s.Create(ctx, writer, Request{Format: "csv"}); errs.CodeOf(err) != errs.Forbidden {
		t.Error(err)
	}
	e, err := s.Create(ctx, admin, Request{Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, s, e.ID, statusDone)
	for name, by := range map[string]actor.Principal{"another auditor": other, "another tenant's admin": foreign} {
		if _, err := s.Get(ctx, by, e.ID); errs.CodeOf(err) != errs.NotFound {
			t.Errorf("%s: get: %v", name, err)
		}
		if _, _, err := s.Download(ctx, by, e.ID); errs.CodeOf(err) != errs.NotFound {
			t.Errorf("%s: download: %v", name, err)
		}
		if err := s.Cancel(ctx, by, e.ID); errs.CodeOf(err) != errs.NotFound {
			t.Errorf("%s: cancel: %v", name, err)
		}
		if list, err := s.List(ctx, by); err != nil || len(list) != 0 {
			t.Errorf("%s: list: %v %v", name, list, err)
		}
	}
	if _, err := s.List(ctx, writer); errs.CodeOf(err) != errs.Forbidden {
		t.Error(err)
	}
	// Somebody who may not export any more gets nothing.
	w.viewer = func(context.Context, actor.Principal) (actor.Principal, error) { return writer, nil }
	s2 := w.service()
	e2, err := s2.Create(ctx, auditor, Request{Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	w.stop(s)
	w.run(s2)
	if got := waitAny(t, s2, e2.ID); got.Status == statusFailed && !strings.Contains(got.Error, "may not make exports") {
		t.Errorf("%+v", got)
	}
}

func waitAny(t testing.TB, s *Service, id string) *Export {
	t.Helper()
	for range 1000 {
		e, err := s.Get(context.Background(), admin, id)
		if err != nil {
			t.Fatal(err)
		}
		if e.Status != statusQueued && e.Status != statusRunning {
			return e
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nothing happened")
	return nil
}

func TestExportChecks(t *testing.T) { sqldbtest.Each(t, testExportChecks) }

func testExportChecks(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	ctx := context.Background()
	for _, c := range []struct {
		r       Request
		code    errs.Code
		pointer string
	}{
		{Request{Format: "docx"}, errs.Invalid, "/format"},
		{Request{Format: "csv", Columns: []string{"seq", "shoe_size"}}, errs.Invalid, "/columns/1"},
		{Request{Format: "csv", Delimiter: "::"}, errs.Invalid, "/delimiter"},
		{Request{Format: "parquet", Columns: []string{"seq"}}, errs.Invalid, "/columns"},
		{Request{Format: "csv", Title: strings.Repeat("ü", 201)}, errs.Invalid, "/title"},
		{Request{Format: "bundle", Proof: "trust me"}, errs.Invalid, "/proof"},
		{Request{Format: "parquet", Compliance: true}, errs.Invalid, "/format"},
	} {
		_, err := s.Create(ctx, auditor, c.r)
		var e *errs.Error
		if errs.CodeOf(err) != c.code || !errors.As(err, &e) || e.Fields[0].Pointer != c.pointer {
			t.Errorf("%+v: %v", c.r, err)
		}
	}
	w.settings.Formats = []string{"csv"}
	if _, err := s.Create(ctx, auditor, Request{Format: "json"}); errs.CodeOf(err) != errs.Forbidden {
		t.Error(err)
	}
	w.settings = TenantSettings{PseudonymKey: testKey, Anonymise: AnonymiseDrop}
	if _, err := s.Create(ctx, auditor, Request{Format: "bundle"}); errs.CodeOf(err) != errs.Forbidden {
		t.Error(err)
	}
	for range maxActive {
		if _, err := s.Create(ctx, auditor, Request{Format: "csv"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Create(ctx, auditor, Request{Format: "csv"}); errs.CodeOf(err) != errs.Throttled {
		t.Error(err)
	}
}

func TestExportCancel(t *testing.T) { sqldbtest.Each(t, testExportCancel) }

func testExportCancel(t *testing.T) {
	w := newWorld(t)
	w.repeat, w.hold = 1000, make(chan struct{})
	s := w.start()
	ctx := context.Background()
	e, err := s.Create(ctx, auditor, Request{Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	queued, err := s.Create(ctx, auditor, Request{Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if e, _ = s.Get(ctx, auditor, e.ID); e.RowsDone > 1000 && e.RowsTotal != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if e.Status != statusRunning || e.RowsTotal == nil || *e.RowsTotal != 5000 || e.Rate <= 0 || e.ETASeconds == nil {
		t.Errorf("%+v", e)
	}
	if _, _, err := s.Download(ctx, auditor, e.ID); errs.CodeOf(err) != errs.Conflict {
		t.Error(err)
	}
	for _, id := range []string{queued.ID, e.ID} {
		if err := s.Cancel(ctx, auditor, id); err != nil {
			t.Fatal(err)
		}
		if got := waitAny(t, s, id); got.Status != statusCancelled {
			t.Errorf("%+v", got)
		}
		if err := s.Cancel(ctx, auditor, id); errs.CodeOf(err) != errs.Conflict {
			t.Error(err)
		}
	}
	w.stop(s)
	if left, _ := os.ReadDir(w.dir); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
	if got := w.actions(); got != "create:success create:success cancel:success cancel:success" {
		t.Error(got)
	}
}

func TestExportFailure(t *testing.T) { sqldbtest.Each(t, testExportFailure) }

func testExportFailure(t *testing.T) {
	w := newWorld(t)
	w.broken = errs.New(errs.Invalid, "The filter names a month that does not exist.")
	s := w.start()
	e, err := s.Create(context.Background(), auditor, Request{Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	if got := waitAny(t, s, e.ID); got.Status != statusFailed || got.Error != "The filter names a month that does not exist." {
		t.Errorf("%+v", got)
	}
	w.broken = errors.New("secret detail about Bob")
	e, _ = s.Create(context.Background(), auditor, Request{Format: "csv"})
	if got := waitAny(t, s, e.ID); got.Status != statusFailed || strings.Contains(got.Error, "Bob") {
		t.Errorf("%+v", got)
	}
	if got := w.actions(); got != "create:success complete:failure create:success complete:failure" {
		t.Error(got)
	}
	if left, _ := os.ReadDir(w.dir); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

// crash makes the database look as if the server had been killed while it ran the exports, attempt times.
func (w *world) crash(attempt int) {
	w.t.Helper()
	err := w.db.Write(context.Background(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE export SET status = 'running' WHERE status = 'queued'`)
		if err == nil {
			_, err = tx.Exec(`UPDATE river_job SET state = 'running', attempt = $1, attempted_at = CURRENT_TIMESTAMP, finalized_at = NULL WHERE state <> 'completed'`, attempt)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestExportGoesOn stops the server in the middle of an export, once in good order and once as a crash would, and expects the file to be what it is without. Formats of lines must not
// read again what they have written.
func TestExportGoesOn(t *testing.T) { sqldbtest.Each(t, testExportGoesOn) }

func testExportGoesOn(t *testing.T) {
	for _, format := range []string{"csv", "json", "ndjson", "ocsf", "parquet"} {
		for _, crash := range []bool{false, true} {
			w := newWorld(t)
			w.repeat, w.partBytes = 1000, 50<<10
			s := w.start()
			ctx := context.Background()
			want := w.export(s, format)
			w.hold = make(chan struct{})
			e, err := s.Create(ctx, auditor, Request{Format: format})
			if err != nil {
				t.Fatal(err)
			}
			for range 500 {
				if e, _ = s.Get(ctx, auditor, e.ID); e.RowsDone >= 2505 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			w.stop(s)
			if crash {
				w.crash(1)
				for _, name := range []string{".tmp-123", e.ID + "-999" + fileSuffix, "0" + e.ID + fileSuffix} {
					if err := os.WriteFile(filepath.Join(w.dir, name), []byte("half"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.hold = nil
			s = w.start()
			done := wait(t, s, e.ID, statusDone)
			got := download(t, s, auditor, e.ID)
			sum := sha256.Sum256(got)
			if format != "parquet" && !bytes.Equal(got, want) { // a Parquet file says when it was made
				t.Errorf("%s, crash %v: %d bytes instead of %d", format, crash, len(got), len(want))
			}
			if done.RowsDone != 5000 || done.Bytes != int64(len(got)) || done.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%s, crash %v: %+v for %d bytes", format, crash, done, len(got))
			}
			if again := w.filters[len(w.filters)-1].SeqFrom; (again < 400_000) != (format == "parquet") {
				t.Errorf("%s, crash %v: it went on from seq %d", format, crash, again)
			}
			j, err := getJob(ctx, w.db.Read(ctx), tenant, e.ID)
			if err != nil {
				t.Fatal(err)
			}
			if left, _ := filepath.Glob(filepath.Join(w.dir, e.ID+"*")); len(left) != int(j.parts) || (len(left) > 5) != (format != "parquet") {
				t.Errorf("%s, crash %v: %d files, %d parts", format, crash, len(left), j.parts)
			}
			for _, name := range []string{".tmp-123", e.ID + "-999" + fileSuffix, "0" + e.ID + fileSuffix} {
				if _, err := os.Stat(filepath.Join(w.dir, name)); err == nil {
					t.Errorf("%s is left", name)
				}
			}
			if err := s.Cancel(ctx, auditor, e.ID); err != nil {
				t.Fatal(err)
			}
			if left, _ := filepath.Glob(filepath.Join(w.dir, e.ID+"*")); len(left) != 0 {
				t.Errorf("%s: %v is left", format, left)
			}
			w.noCanaries()
			w.stop(s)
		}
	}
}

func (w *world) export(s *Service, format string) []byte {
	w.t.Helper()
	e, err := s.Create(context.Background(), auditor, Request{Format: format})
	if err != nil {
		w.t.Fatal(err)
	}
	wait(w.t, s, e.ID, statusDone)
	return download(w.t, s, auditor, e.ID)
}

// TestExportBeginsAnew changes what the reader may see while an export is interrupted: what was written by the old rules must not stay.
func TestExportBeginsAnew(t *testing.T) { sqldbtest.Each(t, testExportBeginsAnew) }

func testExportBeginsAnew(t *testing.T) {
	w := newWorld(t)
	w.ownActors()
	w.repeat, w.partBytes, w.hold = 1000, 50<<10, make(chan struct{})
	s := w.start()
	ctx := context.Background()
	e, err := s.Create(ctx, admin, Request{Format: "ndjson"})
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if e, _ = s.Get(ctx, admin, e.ID); e.RowsDone >= 2505 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.stop(s)
	w.settings.Anonymise = AnonymiseDrop
	w.hold = nil
	s = w.start()
	if done := wait(t, s, e.ID, statusDone); done.RowsDone != 5000 {
		t.Errorf("%+v", done)
	}
	if b := download(t, s, admin, e.ID); bytes.Contains(b, []byte("Bob")) || !bytes.Contains(b, []byte("withheld")) {
		t.Errorf("what was written by the old rules is in the export: %.300s", b)
	}
	if from := w.filters[len(w.filters)-1].SeqFrom; from != 0 {
		t.Errorf("it went on from seq %d", from)
	}
}

// TestExportTakenOver starts a server after another was killed in the middle of exports, one of which has killed every server that tried it.
func TestExportTakenOver(t *testing.T) { sqldbtest.Each(t, testExportTakenOver) }

func testExportTakenOver(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	ctx := context.Background()
	doomed, err := s.Create(ctx, auditor, Request{Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	w.crash(attempts)
	old, err := s.Create(ctx, auditor, Request{Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	err = w.db.Write(ctx, func(tx *sql.Tx) error { // as an earlier version has left it
		_, err := tx.Exec(`UPDATE export SET job_id = 0 WHERE id = $1`, old.ID)
		if err == nil {
			_, err = tx.Exec(`DELETE FROM river_job WHERE state = 'available'`)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.run(s)
	wait(t, s, old.ID, statusDone)
	if got := waitAny(t, s, doomed.ID); got.Status != statusFailed || !strings.Contains(got.Error, "interrupted at every attempt") {
		t.Errorf("%+v", got)
	}
	if got := w.actions(); !strings.Contains(got, "complete:failure") {
		t.Error(got)
	}
	// Its job is a dead letter, which can be replayed.
	var list []*jobs.Job
	for range 500 {
		if list, _, err = s.o.Jobs.List(ctx, tenant, jobs.Filter{State: jobs.StateDead, Limit: 10}); err != nil || len(list) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if _, err := s.o.Jobs.Retry(ctx, admin, list[0].ID); err != nil {
		t.Fatal(err)
	}
	wait(t, s, doomed.ID, statusDone)
}

// TestExportCancelledByItsJob cancels the job of an export that waits.
func TestExportCancelledByItsJob(t *testing.T) { sqldbtest.Each(t, testExportCancelledByItsJob) }

func testExportCancelledByItsJob(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	ctx := context.Background()
	e, err := s.Create(ctx, auditor, Request{Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := s.o.Jobs.List(ctx, tenant, jobs.Filter{Limit: 10})
	if err != nil || len(list) != 1 || list[0].RequestedBy != auditor.UserID {
		t.Fatal(list, err)
	}
	if _, err := s.o.Jobs.Cancel(ctx, admin, list[0].ID); err != nil {
		t.Fatal(err)
	}
	if e, err = s.Get(ctx, auditor, e.ID); err != nil || e.Status != statusCancelled {
		t.Errorf("%+v %v", e, err)
	}
}

func TestExportExpires(t *testing.T) { sqldbtest.Each(t, testExportExpires) }

func testExportExpires(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	ctx := context.Background()
	e, err := s.Create(ctx, auditor, Request{Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, s, e.ID, statusDone)
	deleted, _ := s.Create(ctx, auditor, Request{Format: "csv"})
	wait(t, s, deleted.ID, statusDone)
	if err := s.Cancel(ctx, auditor, deleted.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Download(ctx, auditor, deleted.ID); errs.CodeOf(err) != errs.NotFound {
		t.Error(err)
	}
	w.clock.Store(int64(DefaultKeep + time.Minute))
	if _, _, err := s.Download(ctx, auditor, e.ID); errs.CodeOf(err) != errs.NotFound {
		t.Error(err)
	}
	if err := s.expire(ctx); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(w.dir); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
	if e, err = s.Get(ctx, auditor, e.ID); err != nil || e.DownloadURL != "" || e.Status != statusDone {
		t.Errorf("%+v %v", e, err)
	}
	w.clock.Store(int64(rememberRows + DefaultKeep))
	if err := s.expire(ctx); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(ctx, admin); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
}

// TestFileDamage checks that a damaged file is an error and never a shorter or different download.
func TestFileDamage(t *testing.T) { sqldbtest.Each(t, testFileDamage) }

func testFileDamage(t *testing.T) {
	w := newWorld(t)
	w.repeat = 300
	s := w.start()
	ctx := context.Background()
	e, err := s.Create(ctx, auditor, Request{Format: "ndjson"})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, s, e.ID, statusDone)
	path := filepath.Join(w.dir, e.ID+fileSuffix)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, b := range map[string][]byte{"flipped": flipped, "short": whole[:len(whole)-1], "segment lost": whole[:segmentSize], "long": append(bytes.Clone(whole), 0)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, body, err := s.Download(ctx, auditor, e.ID)
		if err == nil {
			_, err = io.ReadAll(body)
			body.Close()
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// ownActors makes what describes actors personal.
func (w *world) ownActors() {
	for _, r := range w.events {
		for i := range r.Fields {
			if strings.HasPrefix(r.Fields[i].Path, "/actor/") && r.Fields[i].Path != "/actor/type" || r.Fields[i].Path == "/context/ip" {
				r.Fields[i].Owners = event.OwnerActor
			}
		}
	}
}

func TestAnonymise(t *testing.T) { sqldbtest.Each(t, testAnonymise) }

func testAnonymise(t *testing.T) {
	w := newWorld(t)
	w.ownActors()
	s := w.start()
	export := func(mode Anonymisation) string {
		w.mu.Lock()
		w.settings.Anonymise = mode
		w.mu.Unlock()
		e, err := s.Create(context.Background(), admin, Request{Format: "ndjson"})
		if err != nil {
			t.Fatal(err)
		}
		wait(t, s, e.ID, statusDone)
		return string(download(t, s, admin, e.ID))
	}
	if got := export(AnonymiseNone); !strings.Contains(got, "Bob Müller") {
		t.Error(got)
	}
	pseudonym := NewPseudonyms(testKey).Person(w.events[0].ActorHandle)
	got := export(AnonymisePseudonymise)
	if strings.Contains(got, "Bob") || strings.Contains(got, "203.0.113.9\",\"request") || !strings.Contains(got, `"id":"`+pseudonym+`"`) {
		t.Error(got)
	}
	got = export(AnonymiseDrop)
	if strings.Contains(got, "Bob") || strings.Contains(got, pseudonym) || strings.Contains(got, `"handle"`) || !strings.Contains(got, `"/actor/name":"withheld"`) {
		t.Error(got)
	}
}

func TestFilterJSON(t *testing.T) { sqldbtest.Each(t, testFilterJSON) }

func testFilterJSON(t *testing.T) {
	var f Filter
	in := `{"from":"2026-01-01","actor":"ana@example.com","action":["a.*","b.*"],"outcome":[],"text":"","field.cost_centre":7,"field":{"x":"y"},"subject":null}`
	if err := json.Unmarshal([]byte(in), &f); err != nil {
		t.Fatal(err)
	}
	if f.From != "2026-01-01" || f.Actor[0] != "ana@example.com" || len(f.Action) != 2 || f.Outcome != nil || f.Fields["cost_centre"] != "7" || f.Fields["x"] != "y" {
		t.Errorf("%+v", f)
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var again Filter
	if err := json.Unmarshal(b, &again); err != nil || strings.Join(again.Words(true), ";") != strings.Join(f.Words(true), ";") {
		t.Errorf("%s %v", b, err)
	}
	if got := strings.Join(f.Words(false), "; "); strings.Contains(got, "ana@") || got != "occurred from 2026-01-01; actor is one of 1 given; action is a.* or b.*; field cost_centre is as given; field x is as given" {
		t.Error(got)
	}
	for _, bad := range []string{`[]`, `{"actor":{}}`, `{"colour":"red"}`, `{"from":["a","b"]}`, `{"field":"x"}`, `{"field":{"x":{}}}`} {
		if err := json.Unmarshal([]byte(bad), &f); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
