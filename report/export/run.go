package export

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// result is what came of an export.
type result struct {
	rows, bytes int64
	parts       int
	sha256      string
}

// write makes the file of a job.
func (s *Service) write(ctx context.Context, j *job, p *params, r *running) (res result, err error) {
	viewer := p.Viewer
	if s.o.Viewer != nil {
		if viewer, err = s.o.Viewer(ctx, p.Viewer); err != nil {
			return res, err
		}
	}
	if !viewer.Can(actor.ExportsCreate) || viewer.TenantID != j.tenant {
		return res, errs.New(errs.Forbidden, "Whoever asked for this export may not make exports any more.")
	}
	out := newParts(ctx, s.o.Files, j.id, p.Key)
	r.parts.Store(out)
	go func() {
		if n, err := s.o.Source.Count(ctx, j.tenant, p.Request.Filter); err == nil {
			r.total.CompareAndSwap(-1, n)
		}
	}()
	err = guard(func() error {
		return s.produce(ctx, j.tenant, &p.Request, viewer, out, r, &cutter{s: s, j: j, out: out, at: r})
	})
	if err == nil {
		err = out.end()
	}
	if err != nil {
		out.abandon()
	}
	return result{rows: r.rows.Load(), bytes: out.bytes.Load(), parts: out.n, sha256: out.sum()}, err
}

// produce writes the content of an export to w. With cut, which is nil for a caller that waits, it writes what earlier attempts have left to do, in parts.
func (s *Service) produce(ctx context.Context, tenantID string, r *Request, viewer actor.Principal, w io.Writer, at *running, cut *cutter) error {
	settings, err := s.o.Tenants.ExportSettings(ctx, tenantID)
	if err != nil {
		return err
	}
	if settings.Formats != nil && !slices.Contains(settings.Formats, r.Format) {
		return errs.New(errs.Forbidden, "The settings of your organisation no longer allow exports in this format.")
	}
	if r.Format == FormatBundle {
		return s.bundle(ctx, tenantID, r, viewer, w, at)
	}
	enc, err := r.encoder(w, tenantID, &settings)
	if err != nil {
		return err
	}
	log, err := s.o.Source.LogInfo(ctx, tenantID)
	if err != nil {
		return err
	}
	pseudonyms := NewPseudonyms(settings.PseudonymKey)
	if err := enc.Begin(s.meta(r, viewer, &settings, log, pseudonyms)); err != nil {
		return err
	}
	if out, ok := enc.(*lines); ok && cut != nil {
		if r, err = cut.begin(ctx, r, viewer, &settings, out); err != nil {
			return err
		}
	} else {
		cut = nil
	}
	sum, err := s.rows(ctx, tenantID, r, viewer, &settings, enc, at, cut)
	if err != nil {
		return err
	}
	if NeedsSummary(r.Format) {
		if log, err := s.o.Source.LogInfo(ctx, tenantID); err == nil {
			sum.Log = &log
		}
	}
	return enc.End(sum)
}

func (s *Service) bundle(ctx context.Context, tenantID string, r *Request, viewer actor.Principal, w io.Writer, at *running) error {
	o := BundleOptions{Proof: cmp.Or(r.Proof, "range"), Epoch: r.Epoch, Title: r.Title}
	return s.o.Source.Bundle(ctx, tenantID, r.Filter, viewer, o, w, func(done, total int64) {
		if total >= 0 {
			at.total.Store(total)
		}
		at.set(done)
	})
}

func (s *Service) meta(r *Request, viewer actor.Principal, settings *TenantSettings, log LogInfo, p *Pseudonyms) Meta {
	m := Meta{Title: r.Title, Tenant: settings.Name, Filter: r.Filter, RequestedBy: p.ID(viewer.Type(), viewer.ID()), GeneratedAt: s.o.Now(),
		Location: settings.Location, Log: log}
	hide := r.Compliance || settings.Anonymise == AnonymisePseudonymise || settings.Anonymise == AnonymiseDrop
	m.FilterWords = r.Filter.Words(!hide)
	if hide {
		m.Filter = Filter{}
	}
	if m.Title == "" && r.Compliance {
		m.Title = "Compliance log"
	}
	m.From, m.To = moment(r.Filter.From, m.location()), moment(r.Filter.To, m.location())
	switch {
	case r.Compliance:
		m.Masking = "users and persons are named by pseudonym only"
	case settings.Anonymise == AnonymisePseudonymise:
		m.Masking = "persons are pseudonymised, other personal values withheld"
	case settings.Anonymise == AnonymiseDrop:
		m.Masking = "all personal values are withheld"
	case viewer.Unmasked():
		m.Masking = "none; the requester may read personal values"
	case len(viewer.Roles) == 1:
		m.Masking = "personal values are masked for the role " + viewer.Role()
	case len(viewer.Roles) > 1:
		m.Masking = "personal values are masked for the roles " + strings.Join(viewer.Roles, ", ")
	default:
		m.Masking = "personal values are masked"
	}
	return m
}

// moment reads a bound of the filter for showing it; the zero time when it is none that is known here.
func moment(s string, loc *time.Location) time.Time {
	if t, ok := event.ParseTime(s); ok {
		return t
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, loc); err == nil {
		return t
	}
	return time.Time{}
}

// rows reads, anonymises, counts and encodes the matching events.
func (s *Service) rows(ctx context.Context, tenantID string, r *Request, viewer actor.Principal, settings *TenantSettings, enc Encoder,
	at *running, cut *cutter) (sum Summary, err error) {
	e := runEncoder{enc: enc, key: settings.PseudonymKey, anonymise: settings.Anonymise, at: at, cut: cut}
	if r.Compliance {
		e.anonymise = AnonymiseNone // its columns are pseudonymous by themselves
	}
	work := e.inOrder()
	if NeedsSummary(r.Format) {
		e.tally = NewTally(settings.Location, NewPseudonyms(e.key))
	} else if out, ok := enc.(*lines); ok {
		work = e.beside(out)
	}
	if err := s.o.Source.Records(ctx, tenantID, r.Filter, viewer, work); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
		return sum, err
	}
	if e.tally != nil {
		sum = e.tally.Summary()
	}
	sum.Rows = at.rows.Load()
	return sum, nil
}

// runEncoder encodes runs of records.
type runEncoder struct {
	enc       Encoder
	key       []byte
	anonymise Anonymisation
	tally     *Tally
	at        *running
	cut       *cutter // nil when the file is not written in parts
}

// inOrder encodes one run after the other, for formats whose rows depend on each other, while the next ones are being read.
func (e *runEncoder) inOrder() func([]*event.Record) (func() error, error) {
	pseudonyms := NewPseudonyms(e.key)
	return func(run []*event.Record) (func() error, error) {
		return func() error {
			for _, r := range run {
				if e.tally != nil {
					e.tally.Add(r)
				}
				e.anonymise.Apply(r, pseudonyms)
				if err := e.enc.Write(r); err != nil {
					return err
				}
			}
			e.at.add(len(run))
			return nil
		}, nil
	}
}

// stretch is what encoding a run takes.
type stretch struct {
	rows       rowWriter
	pseudonyms *Pseudonyms
	text       []byte
}

// largestStretch bounds the memory that is kept for the next run.
const largestStretch = 4 << 20

// beside encodes several runs at a time and writes them in order.
func (e *runEncoder) beside(out *lines) func([]*event.Record) (func() error, error) {
	free := sync.Pool{New: func() any { return &stretch{rows: out.form.rows(), pseudonyms: NewPseudonyms(e.key)} }}
	return func(run []*event.Record) (func() error, error) {
		s := free.Get().(*stretch)
		s.text = s.text[:0]
		err := guard(func() error { // it runs in a goroutine of the source's
			for _, r := range run {
				e.anonymise.Apply(r, s.pseudonyms)
				s.text = s.rows.appendRow(s.text, r)
			}
			return nil
		})
		return func() error {
			err := out.writeRows(s.text)
			e.at.add(len(run))
			if cap(s.text) <= largestStretch {
				free.Put(s)
			}
			if err == nil && e.cut != nil && len(run) > 0 {
				err = e.cut.after(run[len(run)-1].Seq)
			}
			return err
		}, err
	}
}
