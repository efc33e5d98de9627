package ledger

import (
	"context"
	"strings"
	"time"

	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/tlog"
	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
)

// Head is where a log stands.
type Head struct {
	LogID, Origin string
	Epoch         int64
	Base          uint64
	// Next is the seq that the next event will get.
	Next uint64
	// Stored is how many events storage says there are; more than the tree's when that could not be restored.
	Stored uint64
	// Published is the seq after the newest event that the signed checkpoint covers.
	Published  uint64
	Root       tlog.Hash // of the checkpoint
	Checkpoint string
	SignedAt   time.Time
	RecordedAt time.Time
	// Sealed is the number of events in segments, Segments how many there are.
	Sealed   uint64
	Segments int
	// EvidenceBytes and WorkingBytes are the sizes of the sealed files.
	EvidenceBytes, WorkingBytes int64
	VKeys                       []string
	// Frozen says why the log takes no events; empty when it does.
	Frozen string
}

// Head returns where a tenant's log stands.
func (l *Ledger) Head(ctx context.Context, tenantID string) (Head, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return Head{}, err
	}
	p := t.published.Load()
	h := t.committed.Load()
	_, segments := t.hot.view()
	out := Head{LogID: t.logID, Origin: t.origin(h.epoch), Epoch: h.epoch, Base: h.base, Next: h.base + h.tree.Size(), Stored: max(h.tree.Size(), t.stored), Published: h.base + p.size, Root: p.root, Checkpoint: p.text,
		SignedAt: time.UnixMicro(p.signedAt).UTC(), RecordedAt: time.UnixMicro(h.recordedAt).UTC(), Segments: len(segments), VKeys: t.vkeys}
	seen := map[string]bool{}
	for _, s := range segments {
		out.Sealed += s.Count
		out.EvidenceBytes += s.EvidenceBytes
		if !seen[s.WorkingPath] {
			seen[s.WorkingPath] = true
			out.WorkingBytes += s.WorkingSize
		}
	}
	if why := t.frozen.Load(); why != nil {
		out.Frozen = *why
	}
	return out, nil
}

// Changed returns a channel that is closed when the tenant's log grows or is published. Ask before looking.
func (l *Ledger) Changed(tenantID string) <-chan struct{} {
	l.mu.Lock()
	t := l.tenants[tenantID]
	l.mu.Unlock()
	if t == nil {
		c := make(chan struct{})
		close(c)
		return c
	}
	return l.feed.wait(t.logID)
}

// Tile returns a tile of a tenant's log as far as the checkpoint covers it. width is 1 to 256.
func (l *Ledger) Tile(ctx context.Context, tenantID string, level uint8, index uint64, width int) ([]byte, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	p := t.published.Load()
	if tlog.TileWidthAt(level, index, p.size) < width {
		return nil, errs.New(errs.NotFound, "the checkpoint does not cover this tile yet")
	}
	return p.edge.Reader(l.tiles(t, t.committed.Load().epoch)).ReadTile(ctx, level, index, width)
}

// Entries returns an entry bundle of C2SP tlog-tiles: width leaves from index*256, each after its length.
func (l *Ledger) Entries(ctx context.Context, tenantID string, index uint64, width int) ([]byte, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	h := t.committed.Load()
	if tlog.TileWidthAt(0, index, t.published.Load().size) < width {
		return nil, errs.New(errs.NotFound, "the checkpoint does not cover these entries yet")
	}
	from := h.base + index*tlog.TileWidth
	out := make([]byte, 0, width*256)
	err = l.leaves(ctx, t, from, from+uint64(width), func(_ uint64, leaf []byte) error {
		var err error
		out, err = tlog.AppendEntry(out, leaf)
		return err
	})
	return out, err
}

// Consistency proves that the tree of size to extends that of size from. Both must be covered by the checkpoint.
func (l *Ledger) Consistency(ctx context.Context, tenantID string, from, to uint64) ([]tlog.Hash, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	p := t.published.Load()
	if to > p.size || from > to {
		return nil, errs.New(errs.Invalid, "the sizes are out of order or beyond the checkpoint's %d", p.size)
	}
	if from == 0 || from == to {
		return nil, nil
	}
	return tlog.Consistency(ctx, p.edge.Reader(l.tiles(t, t.committed.Load().epoch)), from, to)
}

// IdentityRecord is a person in the form of a record that holds nothing else, so that a masking policy applies to a directory entry as it does to an event.
func IdentityRecord(handle int64, id person.Identity) *event.Record {
	return &event.Record{ActorHandle: handle, Fields: identityFields(id)}
}

// SealSecret encrypts b under a tenant's keyset, bound to a label that names what it is.
func (l *Ledger) SealSecret(ctx context.Context, tenantID, label string, b []byte) ([]byte, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return t.keys.Seal("app|"+label, b)
}

// OpenSecret decrypts what SealSecret returned.
func (l *Ledger) OpenSecret(ctx context.Context, tenantID, label string, b []byte) ([]byte, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	out, err := t.keys.Open("app|"+label, b)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a stored secret does not open")
	}
	return out, nil
}

// VKeyText is every key of a log, one a line, the current first.
func (h Head) VKeyText() string { return strings.Join(h.VKeys, "\n") + "\n" }

// PseudonymKey is the tenant's key for pseudonyms in masked views and exports.
func (l *Ledger) PseudonymKey(ctx context.Context, tenantID string) ([32]byte, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return [32]byte{}, err
	}
	return t.loadSecret(ctx, l.db, "pseudonym", periodID{})
}

// TenantKeys returns the keyset of a tenant, for other domains that seal what they keep.
func (l *Ledger) TenantKeys(ctx context.Context, tenantID string) (*crypt.Tenant, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return t.keys, nil
}
