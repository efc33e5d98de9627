package mapping

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// runArgs are the arguments of the job that carries out a run.
type runArgs struct {
	Run string `json:"run"`
}

// Kind implements jobs.Args.
func (runArgs) Kind() string { return "role_mapping.run" }

const (
	lookEvery = 15 * time.Second
	lookAt    = 100
)

// Start begins to enqueue runs by the clock and returns at once. [Service.Close] ends it.
func (s *Service) Start(ctx context.Context) { s.workers.Start(ctx, s.loop) }

// Close stops what Start began and waits for it.
func (s *Service) Close() { s.workers.Close() }

func (s *Service) loop(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		_, err := s.o.DB.Alone(ctx, "role-mappings", func(ctx context.Context, _ *sqldb.Lease) error { return s.Tick(ctx) })
		if err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "role mappings cannot be run by the clock", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Tick enqueues the runs that are due.
func (s *Service) Tick(ctx context.Context) error {
	now := s.now()
	list, err := due(ctx, s.o.DB.Read(ctx), now.UnixMicro(), lookAt)
	for _, x := range list {
		if e := s.open(ctx, x); e != nil {
			err = errors.Join(err, e)
			continue
		}
		next := int64(0)
		if x.EveryHours > 0 {
			next = now.Add(time.Duration(x.EveryHours) * time.Hour).UnixMicro()
		}
		e := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
			if err := setNext(ctx, tx, x, next); err != nil {
				return err
			}
			_, err := s.enqueue(ctx, tx, x, actor.System(x.tenant), x.Apply)
			return err
		})
		if errs.CodeOf(e) != errs.Conflict {
			err = errors.Join(err, e)
		}
	}
	return err
}

func (s *Service) enqueue(ctx context.Context, tx *sql.Tx, x *System, by actor.Principal, apply bool) (*Run, error) {
	all, err := runs(ctx, tx, x.tenant, x.ID, 1)
	if err != nil {
		return nil, err
	}
	if len(all) > 0 && (all[0].State == Queued || all[0].State == Running) {
		return nil, errs.New(errs.Conflict, "A run waits or goes on already.")
	}
	r := &Run{ID: newID(), tenant: x.tenant, system: x.ID, Apply: apply, State: Queued, CreatedAt: s.now()}
	if !by.IsSystem() {
		r.Requester = by.ID()
	}
	if err := insertRun(ctx, tx, r); err != nil {
		return nil, err
	}
	if err := forget(ctx, tx, r); err != nil {
		return nil, err
	}
	_, err = s.o.Jobs.Enqueue(ctx, tx, x.tenant, runArgs{r.ID}, jobs.Enqueuing{RequestedBy: r.Requester})
	return r, err
}

// Sync asks for a run: a comparison, or with apply also the changes.
func (s *Service) Sync(ctx context.Context, by actor.Principal, id string, apply bool) (*Run, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	x, err := s.one(ctx, by.TenantID, id)
	if err != nil {
		return nil, err
	}
	if apply && !x.Apply {
		return nil, errs.New(errs.Conflict, "This system only reports: let it apply changes first.")
	}
	e := newEvent(ctx, "role_mapping.run", "execute", by, x)
	e.Data = []event.Member{selfaudit.Member("apply", apply)}
	var r *Run
	err = s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		r, err = s.enqueue(ctx, tx, x, by, apply)
		return err
	})
	return r, err
}

// work carries out a run; the Work of its kind of job. Begun again, it compares anew: what was done before is no difference any more.
func (s *Service) work(ctx context.Context, run *jobs.Run, a runArgs) error {
	r, err := getRun(ctx, s.o.DB.Read(ctx), run.TenantID, a.Run)
	if errs.CodeOf(err) == errs.NotFound || err == nil && (r.State == Done || r.State == Failed) {
		return nil // the system was deleted, or the job is done twice
	}
	if err != nil {
		return err
	}
	x, err := s.one(ctx, run.TenantID, r.system)
	if errs.CodeOf(err) == errs.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.openRun(ctx, r); err != nil {
		return err
	}
	var before []Difference // that earlier attempts have ended
	if r.Report != nil {
		before = slices.DeleteFunc(r.Report.Items, func(d Difference) bool { return !d.Done })
	}
	r.State = Running
	c, err := s.connect(ctx, x)
	if err != nil {
		return err
	}
	people, err := s.compare(ctx, x, r, c)
	if err != nil {
		return err
	}
	found := r.Report.Items
	r.Report.Items = append(before, found...)
	at := r.Report.Items[len(before):]
	if err := s.keep(ctx, r); err != nil {
		return err
	}
	if r.Apply && x.Apply {
		if n := count(at); n > x.MaxChanges {
			r.Problem = "Nothing was changed: " + strconv.Itoa(n) + " changes are more than the " + strconv.Itoa(x.MaxChanges) + " that one run may make."
		} else if err := s.apply(ctx, run, x, r, c, people, at); err != nil {
			return err
		}
	}
	now := s.now()
	r.State, r.EndedAt = Done, &now
	e := newEvent(ctx, "role_mapping.compare", "other", actor.System(x.tenant), x)
	e.Data = []event.Member{selfaudit.Member("run", r.ID), selfaudit.Member("apply", r.Apply), selfaudit.Member("differences", kinds(r.Report.Items))}
	if r.Problem != "" {
		e.Outcome, e.Severity = event.Outcome{Status: "failure", Reason: r.Problem}, "medium"
	}
	if r.sealed, err = s.sealed(ctx, r); err != nil {
		return err
	}
	return s.o.Recorder.Record(ctx, r.tenant, e, func(ctx context.Context, tx *sql.Tx) error { return setRun(ctx, tx, r) })
}

// compare fills in the report of a run, and returns the people elsewhere by id.
func (s *Service) compare(ctx context.Context, x *System, r *Run, c Connector) (map[string]Person, error) {
	roles, err := c.Roles(ctx)
	if err != nil {
		return nil, err
	}
	outside, err := c.People(ctx)
	if err != nil {
		return nil, err
	}
	// Ours are read last: what changes while the system answers is not taken for a difference the wrong way round.
	holders, err := s.o.People.Holders(ctx, x.tenant)
	if err != nil {
		return nil, err
	}
	r.Report = &Report{ComparedAt: s.now(), People: len(outside), Items: compare(x.Rules, holders, outside, roles)}
	byID := map[string]Person{}
	for _, p := range outside {
		byID[p.ID] = p
	}
	return byID, nil
}

func count(list []Difference) (n int) {
	for i := range list {
		if list[i].changes() {
			n++
		}
	}
	return n
}

func kinds(list []Difference) map[string]int {
	out := map[string]int{}
	for _, d := range list {
		out[d.Kind]++
		if d.Done {
			out["done"]++
		}
	}
	return out
}

// apply makes the changes of a report, taking roles away before giving any. What may pass with another attempt comes back; what the system refuses is noted, and the rest goes on.
func (s *Service) apply(ctx context.Context, run *jobs.Run, x *System, r *Run, c Connector, people map[string]Person, list []Difference) error {
	run.Progress(0, int64(count(list)))
	done := int64(0)
	for _, kind := range []string{Extra, Missing} {
		for i := range list {
			d := &list[i]
			if d.Kind != kind {
				continue
			}
			p := people[d.Outside]
			after := slices.DeleteFunc(slices.Clone(p.Roles), func(role string) bool { return role == d.Role })
			if kind == Missing {
				after = append(after, d.Role)
			}
			err := c.Set(ctx, p, d.Role, kind == Missing, after)
			switch errs.CodeOf(err) {
			case errs.Unavailable, errs.Throttled, errs.Internal:
				return errors.Join(err, s.keep(context.WithoutCancel(ctx), r))
			}
			if err != nil {
				d.Problem = errs.Message(err)
			} else {
				d.Done = true
				p.Roles = after
				people[d.Outside] = p
			}
			if err := s.note(ctx, x, r, d); err != nil {
				return err
			}
			done++
			run.Progress(done, int64(count(list)))
		}
	}
	return nil
}

// note records one change elsewhere.
func (s *Service) note(ctx context.Context, x *System, r *Run, d *Difference) error {
	action, activity, had, has := "role_mapping.assign", "grant", any(nil), any(d.Role)
	if d.Kind == Extra {
		action, activity, had, has = "role_mapping.unassign", "revoke", any(d.Role), any(nil)
	}
	e := newEvent(ctx, action, activity, actor.System(x.tenant), x)
	e.Subject = &event.Ref{Type: "user", ID: d.UserID, Name: d.UserName}
	e.Changes = []event.Change{selfaudit.Change("/outside_role", had, has)}
	e.Data = []event.Member{selfaudit.Member("run", r.ID), selfaudit.Member("outside_id", d.Outside), selfaudit.Member("outside_role_name", d.RoleName)}
	e.Severity = "medium"
	if d.Problem != "" {
		e.Outcome = event.Outcome{Status: "failure", Reason: d.Problem}
	}
	var err error
	if r.sealed, err = s.sealed(ctx, r); err != nil {
		return err
	}
	// The change is made already: that it is recorded must not depend on whether the run is being stopped.
	return s.o.Recorder.Record(context.WithoutCancel(ctx), x.tenant, e, func(ctx context.Context, tx *sql.Tx) error { return setRun(ctx, tx, r) })
}

func (s *Service) sealed(ctx context.Context, r *Run) ([]byte, error) {
	if r.Report == nil {
		return nil, nil
	}
	text, err := json.Marshal(r.Report)
	if err != nil {
		return nil, err
	}
	return s.o.Sealer.Seal(ctx, r.tenant, "access_system_run|"+r.ID, text)
}

func (s *Service) keep(ctx context.Context, r *Run) (err error) {
	if r.sealed, err = s.sealed(ctx, r); err != nil {
		return err
	}
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error { return setRun(ctx, tx, r) })
}

// failed notes that a run was given up; the Failed of its kind of job.
func (s *Service) failed(ctx context.Context, run *jobs.Run, a runArgs, cause error) {
	err := s.end(ctx, run.TenantID, a.Run, cause)
	if err != nil && errs.CodeOf(err) != errs.NotFound {
		s.o.Logger.LogAttrs(ctx, slog.LevelError, "that a run of a role mapping failed could not be stored", slog.String("run", a.Run), slog.Any("error", err))
	}
}

func (s *Service) end(ctx context.Context, tenant, id string, cause error) error {
	r, err := getRun(ctx, s.o.DB.Read(ctx), tenant, id)
	if err != nil || r.State == Done || r.State == Failed {
		return err
	}
	x, err := s.one(ctx, tenant, r.system)
	if err != nil {
		return err
	}
	now := s.now()
	r.State, r.EndedAt, r.Problem = Failed, &now, "An internal error; the server's log has the details."
	if errs.CodeOf(cause) != errs.Internal {
		r.Problem = errs.Message(cause)
	}
	e := newEvent(ctx, "role_mapping.compare", "other", actor.System(tenant), x)
	e.Outcome, e.Severity = event.Outcome{Status: "failure", Reason: r.Problem}, "medium"
	e.Data = []event.Member{selfaudit.Member("run", r.ID), selfaudit.Member("apply", r.Apply)}
	return s.o.Recorder.Record(ctx, tenant, e, func(ctx context.Context, tx *sql.Tx) error { return setRun(ctx, tx, r) })
}

func (s *Service) openRun(ctx context.Context, r *Run) error {
	if len(r.sealed) == 0 {
		return nil
	}
	text, err := s.o.Sealer.Unseal(ctx, r.tenant, "access_system_run|"+r.ID, r.sealed)
	if err == nil {
		err = json.Unmarshal(text, &r.Report)
	}
	if err != nil {
		return errs.New(errs.Internal, "the report of a run cannot be read")
	}
	return nil
}

// Runs returns the newest runs of a system, without their reports.
func (s *Service) Runs(ctx context.Context, by actor.Principal, id string) ([]*Run, error) {
	if _, err := s.Get(ctx, by, id); err != nil {
		return nil, err
	}
	return runs(ctx, s.o.DB.Read(ctx), by.TenantID, id, keepRuns)
}

// Drift returns the newest run of a system that has compared something.
func (s *Service) Drift(ctx context.Context, by actor.Principal, id string) (*Run, error) {
	if _, err := s.Get(ctx, by, id); err != nil {
		return nil, err
	}
	r, err := reported(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return nil, err
	}
	return r, s.openRun(ctx, r)
}

// Table is a report as CSV (RFC 4180), in which no cell is a formula.
func (s *Service) Table(r *Report) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	rows := [][]string{{"kind", "user_id", "user", "email", "outside_id", "outside_role", "outside_role_name", "done", "problem"}}
	for _, d := range r.Items {
		rows = append(rows, []string{d.Kind, d.UserID, d.UserName, d.Email, d.Outside, d.Role, d.RoleName, strconv.FormatBool(d.Done), d.Problem})
	}
	for _, row := range rows {
		for i := range row {
			if s.o.Formula(row[i]) {
				row[i] = "'" + row[i]
			}
			row[i] = strings.ToValidUTF8(row[i], "�")
		}
		if err := w.Write(row); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}
