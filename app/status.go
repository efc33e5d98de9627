package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"probity.dev/internal/api"
	"probity.dev/internal/availability"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
)

// How often the service looks at itself, and when it calls something degraded.
const (
	statusEvery   = 10 * time.Second
	checkTime     = 5 * time.Second
	unsignedAfter = time.Minute
	lateAfter     = time.Minute
	scrubAfter    = 26 * time.Hour
	sealBehind    = 2_000_000 // events
	failingFor    = 2 * time.Minute
	lowSpace      = 0.10
	noSpace       = 0.01
)

// State says how well a part of the service works.
type State string

// The states of a part, from best to worst.
const (
	StateOK       State = "ok"
	StateDegraded State = "degraded"
	StateDown     State = "down"
)

// Part is one thing that the service does. It says nothing of any tenant.
type Part struct {
	ID     string `json:"id" enum:"requests,recording,checkpoints,sealing,storage,disk,notifications,verification" doc:"What it is"`
	Name   string `json:"name" doc:"The same in words"`
	State  State  `json:"state" enum:"ok,degraded,down"`
	Detail string `json:"detail" doc:"What is so, in a sentence"`
}

// status is what the service knows about itself.
type status struct {
	a      *App
	meter  *availability.Meter
	space  func(dir string) (free, size float64, err error)
	latest atomic.Pointer[looked]
}

// looked is one look.
type looked struct {
	at     time.Time
	parts  []Part
	report *availability.Report // nil as long as the database has never answered
}

func newStatus(a *App) *status {
	return &status{a: a, meter: availability.New(a.db, nil), space: space}
}

// run looks every ten seconds until ctx ends, and then stores what has been counted.
func (s *status) run(ctx context.Context) {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		s.look(ctx)
		if err := s.meter.Store(ctx, false); err != nil && ctx.Err() == nil {
			s.a.telemetry.Logger.LogAttrs(ctx, slog.LevelWarn, "the availability of the last minute could not be stored; it will be tried again", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// end stores what has been counted of the present minute.
func (s *status) end(ctx context.Context) {
	if err := s.meter.Store(ctx, true); err != nil {
		s.a.telemetry.Logger.LogAttrs(ctx, slog.LevelWarn, "the availability of the last minute could not be stored", slog.Any("error", err))
	}
}

// look finds out how everything is.
func (s *status) look(ctx context.Context) *looked {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	err := s.a.ready(ctx)
	if err == nil || ctx.Err() == nil || ctx.Err() == context.DeadlineExceeded { //nolint:errorlint // a context's own error
		s.meter.Check(err == nil)
	}
	l := &looked{at: time.Now().UTC(), parts: s.parts(ctx, err)}
	if l.report, err = s.meter.Report(ctx); err != nil {
		if before := s.latest.Load(); before != nil {
			l.report = before.report
		}
	}
	s.latest.Store(l)
	return l
}

// now returns the latest look; it looks itself where nobody does so regularly.
func (s *status) now(ctx context.Context) *looked {
	if l := s.latest.Load(); l != nil && time.Since(l.at) < 3*statusEvery {
		return l
	}
	return s.look(ctx)
}

// state is that of the worst part.
func (l *looked) state() State {
	worst := StateOK
	for _, p := range l.parts {
		if p.State == StateDown || worst == StateOK {
			worst = p.State
		}
		if worst == StateDown {
			break
		}
	}
	return worst
}

// parts judges every part of the service. ready is what came of the check that load balancers make too.
func (s *status) parts(ctx context.Context, ready error) []Part {
	requests := Part{"requests", "Answering requests", StateOK, "The database answers."}
	if ready != nil {
		requests.State, requests.Detail = StateDown, errs.Message(ready)
	}
	out := []Part{requests}
	heads, ok, wrong, old, err := s.logs(ctx)
	if err != nil {
		for _, p := range [][2]string{{"recording", "Recording events"}, {"checkpoints", "Signing checkpoints"}, {"sealing", "Sealing old events"}, {"verification", "Verifying what is stored"}} {
			out = append(out, Part{p[0], p[1], StateDown, "The database does not answer."})
		}
	} else {
		out = append(out, s.recording(heads), s.checkpoints(heads), s.sealing(heads), verification(ok, wrong, old))
	}
	return append(out, s.storage(ctx), s.disk(), s.notifications(ctx))
}

// logs returns where every log stands, and how many were verified in time, found wrong or not verified for too long.
func (s *status) logs(ctx context.Context) (heads []ledger.Head, verified, wrong, old int, err error) {
	tenants, err := s.a.Ledger.Tenants(ctx)
	if err != nil {
		return nil, 0, 0, 0, err
	}
	for _, t := range tenants {
		h, err := s.a.Ledger.Head(ctx, t.ID)
		if err != nil {
			return nil, 0, 0, 0, err
		}
		heads = append(heads, h)
		last, err := s.a.verifier.last(ctx, t.ID)
		switch {
		case err != nil:
			return nil, 0, 0, 0, err
		case last == nil:
		case !last.OK:
			wrong++
		case time.Since(time.Time(last.At)) > scrubAfter:
			old++
		default:
			verified++
		}
	}
	return heads, verified, wrong, old, nil
}

func (s *status) recording(heads []ledger.Head) Part {
	p := Part{"recording", "Recording events", StateOK, "Events are recorded."}
	frozen, full := 0, 0
	for i := range heads {
		if heads[i].Frozen != "" {
			frozen++
		} else if unsealed(&heads[i]) >= uint64(s.a.Config.MaxUnsealed) {
			full++
		}
	}
	if n := frozen + full; n > 0 {
		p.State = StateDegraded
		if n == len(heads) {
			p.State = StateDown
		}
		p.Detail = fmt.Sprintf("%d of %d logs take no events: %d frozen, %d with too many events that wait to be sealed.", n, len(heads), frozen, full)
	}
	return p
}

func unsealed(h *ledger.Head) uint64 { return h.Next - h.Base - min(h.Sealed, h.Next-h.Base) }

func (s *status) checkpoints(heads []ledger.Head) Part {
	p := Part{"checkpoints", "Signing checkpoints", StateOK, "What is recorded is signed within a second."}
	late := 0
	for i := range heads {
		if h := &heads[i]; h.Frozen == "" && h.Next > h.Published && !h.RecordedAt.IsZero() && time.Since(h.RecordedAt) > unsignedAfter && time.Since(h.SignedAt) > unsignedAfter {
			late++
		}
	}
	if late > 0 {
		p.State, p.Detail = StateDegraded, fmt.Sprintf("The newest events of %d of %d logs have not been signed for more than a minute.", late, len(heads))
	} else if s.a.metrics.unsignedLately() {
		p.State, p.Detail = StateDegraded, "Signing has failed within the last two minutes and is tried again."
	}
	return p
}

func (s *status) sealing(heads []ledger.Head) Part {
	p := Part{"sealing", "Sealing old events", StateOK, "Old events are moved to sealed files."}
	behind := 0
	for i := range heads {
		if unsealed(&heads[i]) > sealBehind {
			behind++
		}
	}
	switch {
	case s.a.metrics.sealingFails():
		p.State, p.Detail = StateDegraded, "Events cannot be moved to sealed files at present; they are safe in the database."
	case behind > 0:
		p.State, p.Detail = StateDegraded, fmt.Sprintf("Sealing of %d of %d logs is behind; their events are safe in the database.", behind, len(heads))
	}
	return p
}

func verification(verified, wrong, old int) Part {
	p := Part{"verification", "Verifying what is stored", StateOK, "The last verification found nothing wrong."}
	switch {
	case wrong > 0:
		p.State, p.Detail = StateDown, "A verification found a record that is not as it was signed."
	case old > 0:
		p.State, p.Detail = StateDegraded, "The last verification is more than a day old."
	case verified == 0:
		p.Detail = "Nothing has been verified yet; that happens every night."
	}
	return p
}

// storage asks an object store for the one object that must be there. A data directory answers for itself in disk.
func (s *status) storage(ctx context.Context) Part {
	p := Part{"storage", "Storage of sealed files", StateOK, "The storage answers."}
	if s.a.storage.cache == nil {
		return p
	}
	if _, err := s.a.storage.working.Stat(ctx, ownerName); err != nil {
		p.State, p.Detail = StateDegraded, "The object storage does not answer. Recording goes on; old events may not be found and no exports are made."
	}
	return p
}

// space returns the free and the whole size of the file system with the data directory, in bytes.
func space(dir string) (free, size float64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, 0, err
	}
	return float64(fs.Bavail) * float64(fs.Bsize), float64(fs.Blocks) * float64(fs.Bsize), nil
}

func (s *status) disk() Part {
	p := Part{"disk", "Room for data", StateOK, "There is room."}
	free, size, err := s.space(s.a.Config.Data)
	switch {
	case err != nil:
		p.State, p.Detail = StateDown, "The data directory cannot be read."
	case free < noSpace*size:
		p.State, p.Detail = StateDown, "The disk with the data is full."
	case free < lowSpace*size:
		p.State, p.Detail = StateDegraded, fmt.Sprintf("Only %.1f %% of the disk with the data are free.", 100*free/size)
	}
	return p
}

func (s *status) notifications(ctx context.Context) Part {
	p := Part{"notifications", "Sending notifications", StateOK, "Notifications are sent."}
	b, err := s.a.notify.Service.Backlog(ctx)
	switch {
	case err != nil:
		p.State, p.Detail = StateDown, "The database does not answer."
	case b.Late > lateAfter:
		p.State, p.Detail = StateDegraded, "Notifications are sent late."
	case b.Dead > 0:
		p.State, p.Detail = StateDegraded, "Some notifications could not be delivered and wait for somebody to look at them."
	}
	return p
}

// counting tells the meter of the requests that an observer sees.
type counting struct {
	api.Observer
	meter *availability.Meter
}

// Begin implements api.Observer.
func (c counting) Begin(r *http.Request) (context.Context, func(api.Outcome)) {
	ctx, done := c.Observer.Begin(r)
	return ctx, func(o api.Outcome) {
		if strings.HasPrefix(o.Route, "/api/") && o.Status != 499 {
			c.meter.Request(o.Status >= 500)
		}
		done(o)
	}
}
