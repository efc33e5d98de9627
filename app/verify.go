package app

import (
	"context"
	"errors"
	"io"

	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/verify"
)

// Sources returns every tenant's stored log for a verifier, with working copies when keys is true.
func (a *App) Sources(ctx context.Context, keys bool) ([]verify.Source, error) {
	logs, err := ledger.OpenStored(ctx, a.db, a.storage.evidence)
	if err != nil {
		return nil, err
	}
	var out []verify.Source
	for _, s := range logs {
		if keys {
			w, err := withWorking(ctx, s, a.Ledger)
			if err != nil {
				return nil, err
			}
			out = append(out, w)
			continue
		}
		out = append(out, logSource{s})
	}
	return out, nil
}

// StoredSources opens the evidence in a data directory for a verifier, without the master key: values and working copies stay closed. The caller closes what it returns.
func StoredSources(ctx context.Context, cfg *config.Config) (sources []verify.Source, closer io.Closer, err error) {
	if !hasData(cfg) && cfg.Database == "" {
		return nil, nil, errs.New(errs.NotFound, "%s holds no data", cfg.Data)
	}
	lock, err := lockDir(cfg.Data)
	if err != nil {
		return nil, nil, err
	}
	db, err := connect(ctx, cfg)
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	closer = closers{db, lock}
	if err := storageSaid(ctx, db, cfg); err != nil {
		return nil, nil, errors.Join(err, closer.Close())
	}
	files, err := openStorage(ctx, cfg)
	if err != nil {
		return nil, nil, errors.Join(err, closer.Close())
	}
	logs, err := ledger.OpenStored(ctx, db, files.evidence)
	if err != nil {
		return nil, nil, errors.Join(err, closer.Close())
	}
	for _, s := range logs {
		sources = append(sources, logSource{s})
	}
	return sources, closer, nil
}

type closers []io.Closer

func (c closers) Close() error {
	var err error
	for _, x := range c {
		err = errors.Join(err, x.Close())
	}
	return err
}

// logSource is a tenant's log as it is stored: not what the ledger made of it, which may have frozen it.
type logSource struct{ s *ledger.StoredLog }

// Log implements verify.Source.
func (s logSource) Log() verify.Log {
	h := &s.s.Head
	return verify.Log{Origin: h.Origin, LogID: h.LogID, Epoch: uint64(h.Epoch), Base: h.Base, Checkpoint: []byte(h.Checkpoint), Stored: h.Next - h.Base, Keys: h.VKeyText()}
}

// Leaves implements verify.Source.
func (s logSource) Leaves(ctx context.Context, first, count uint64, yield func(index uint64, leaf []byte) error) error {
	base := s.s.Head.Base
	return s.s.Leaves(ctx, base+first, base+first+count, func(seq uint64, leaf []byte) error {
		return yield(seq-base, leaf)
	})
}

// ReadTile implements tlog.TileReader.
func (s logSource) ReadTile(ctx context.Context, level uint8, index uint64, width int) ([]byte, error) {
	return s.s.Tiles().ReadTile(ctx, level, index, width)
}

// workingSource adds the working copies, opened with the ledger's keys.
type workingSource struct {
	logSource
	audit *ledger.Audit
}

func withWorking(ctx context.Context, s *ledger.StoredLog, l *ledger.Ledger) (verify.Source, error) {
	if forgotten, err := l.IsForgotten(ctx, s.TenantID); err != nil || forgotten {
		return logSource{s}, err // there are no working copies any more
	}
	audit, err := l.Audit(ctx, s.TenantID)
	if err != nil {
		return nil, err
	}
	return workingSource{logSource{s}, audit}, nil
}

// Working implements verify.WorkingSource.
func (s workingSource) Working(ctx context.Context, first, count uint64, yield func(index uint64, w *verify.Working) error) error {
	var out verify.Working
	base := s.s.Head.Base
	return s.audit.WorkingCopies(ctx, base+first, base+first+count, func(w *ledger.WorkingCopy) error {
		r := w.Row
		out = verify.Working{Nonce: r.Nonce, RecordedAt: r.RecordedAt, OccurredAt: r.OccurredAt, Source: r.Source, Action: r.Action, Category: r.Category, Activity: r.Activity,
			Outcome: r.Outcome, ResourceType: r.ResourceType, Groups: w.Groups, TagKeys: w.TagKeys, ResourceTags: w.ResourceTags, ResourceID: w.ResourceID, Err: w.Err, Columns: out.Columns[:0]}
		for _, c := range w.Columns {
			out.Columns = append(out.Columns, verify.Column(c))
		}
		return yield(uint64(r.Seq)-base, &out)
	})
}
