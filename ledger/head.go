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
	SignedAt   time.Time // zero when it is not known
	RecordedAt time.Time
	// Sealed is the number of events in segments, Segments how many there are.
	Sealed   uint64
	Segments int
	// EvidenceBytes and WorkingBytes are the sizes of the sealed files.
	EvidenceBytes, WorkingBytes int64
	VKeys                       []string
	// Frozen says why the log takes no events; empty when it does.
	Frozen string
	// Ended says that a lossy restore has ended this epoch; the log goes on in a later one.
	Ended bool
}

// Head returns where a tenant's log stands, in its present epoch.
func (l *Ledger) Head(ctx context.Context, tenantID string) (Head, error) {
	return l.EpochHead(ctx, tenantID, Newest)
}

// EpochHead returns where an epoch of a tenant's log stands, or stood when it ended. A log without that epoch is NotFound.
func (l *Ledger) EpochHead(ctx context.Context, tenantID string, number int64) (Head, error) {
	t, e, err := l.epoch(ctx, tenantID, number)
	if err != nil {
		return Head{}, err
	}
	return t.head(e), nil
}

// Heads returns the heads of all epochs of a tenant's log, the present one first.
func (l *Ledger) Heads(ctx context.Context, tenantID string) ([]Head, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	out := []Head{t.head(t.present())}
	for i := len(t.closed) - 1; i >= 0; i-- {
		out = append(out, t.head(t.closed[i]))
	}
	return out, nil
}

func (t *tenant) head(e epoch) Head {
	p := e.published
	out := Head{LogID: t.logID, Origin: t.origin(e.number), Epoch: e.number, Base: e.base, Next: e.base + e.size, Stored: e.size, Published: e.base + p.size, Root: p.root, Checkpoint: p.text,
		RecordedAt: time.UnixMicro(e.recordedAt).UTC(), VKeys: t.vkeysOf(e.number), Ended: e.closed}
	if p.signedAt != 0 {
		out.SignedAt = time.UnixMicro(p.signedAt).UTC()
	}
	_, segments := t.hot.view()
	seen := map[string]bool{}
	for _, s := range segments {
		if s.First < e.base || s.First-e.base >= e.size {
			continue
		}
		out.Segments++
		out.Sealed += s.Count
		out.EvidenceBytes += s.EvidenceBytes
		if !seen[s.WorkingPath] {
			seen[s.WorkingPath] = true
			out.WorkingBytes += s.WorkingSize
		}
	}
	if e.closed {
		return out
	}
	out.Stored = max(e.size, t.stored)
	if why := t.frozen.Load(); why != nil {
		out.Frozen = *why
	}
	return out
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

// Tile returns a tile of an epoch of a tenant's log as far as the checkpoint covers it. width is 1 to 256.
func (l *Ledger) Tile(ctx context.Context, tenantID string, number int64, level uint8, index uint64, width int) ([]byte, error) {
	t, e, err := l.epoch(ctx, tenantID, number)
	if err != nil {
		return nil, err
	}
	if tlog.TileWidthAt(level, index, e.published.size) < width {
		return nil, errs.New(errs.NotFound, "the checkpoint does not cover this tile yet")
	}
	return e.published.edge.Reader(l.tiles(t, e.number)).ReadTile(ctx, level, index, width)
}

// Entries returns an entry bundle of C2SP tlog-tiles: width leaves from index*256 of an epoch, each after its length.
func (l *Ledger) Entries(ctx context.Context, tenantID string, number int64, index uint64, width int) ([]byte, error) {
	t, e, err := l.epoch(ctx, tenantID, number)
	if err != nil {
		return nil, err
	}
	if tlog.TileWidthAt(0, index, e.published.size) < width {
		return nil, errs.New(errs.NotFound, "the checkpoint does not cover these entries yet")
	}
	from := e.base + index*tlog.TileWidth
	out := make([]byte, 0, width*256)
	err = l.leaves(ctx, t, from, from+uint64(width), func(_ uint64, leaf []byte) error {
		var err error
		out, err = tlog.AppendEntry(out, leaf)
		return err
	})
	return out, err
}

// Consistency proves that an epoch's tree of size to extends that of size from. Both must be covered by its checkpoint.
func (l *Ledger) Consistency(ctx context.Context, tenantID string, number int64, from, to uint64) ([]tlog.Hash, error) {
	t, e, err := l.epoch(ctx, tenantID, number)
	if err != nil {
		return nil, err
	}
	if to > e.published.size || from > to {
		return nil, errs.New(errs.Invalid, "the sizes are out of order or beyond the checkpoint's %d", e.published.size)
	}
	if from == 0 || from == to {
		return nil, nil
	}
	return tlog.Consistency(ctx, e.published.edge.Reader(l.tiles(t, e.number)), from, to)
}

// epoch returns a tenant and an epoch of its log.
func (l *Ledger) epoch(ctx context.Context, tenantID string, number int64) (*tenant, epoch, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, epoch{}, err
	}
	e, err := t.epochNo(number)
	return t, e, err
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
