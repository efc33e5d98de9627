package verify

import (
	"context"
	"runtime"

	"probity.dev/internal/evidence"
	"probity.dev/internal/tlog"
)

// Log describes one epoch of a log as its keeper sees it. None of it is believed.
type Log struct {
	Origin string
	LogID  string
	Epoch  uint64
	// Base is the seq of leaf 0.
	Base uint64
	// Checkpoint is the newest signed checkpoint.
	Checkpoint []byte
	// Older are earlier checkpoints, if they are kept; they narrow down where a rewritten log begins to differ.
	Older [][]byte
	// Stored is the number of leaves that storage says it holds; it may exceed the checkpoint's size for a moment.
	Stored uint64
	// PartialTiles says that ReadTile also serves tiles that are not full.
	PartialTiles bool
	// Keys are verifier keys as the keeper states them, one a line. They are used only when the verifier was given none.
	Keys string
	// WorkingFrom is the leaf index from which on every event should have a working copy; earlier ones may have expired.
	WorkingFrom uint64
}

// Source is a stored log, checked where it lies. Methods MUST be safe for concurrent use and MUST return what is stored, not what a cache
// or an index says.
type Source interface {
	// Log describes the log.
	Log() Log
	// Leaves yields the leaves [first, first+count) in order of index, and stops before one that is not there; an error of code not_found says
	// the same. Leaves are valid during the call only. Unreadable storage is any other error; it should name the file.
	Leaves(ctx context.Context, first, count uint64, yield func(index uint64, leaf []byte) error) error
	// TileReader reads stored tiles.
	tlog.TileReader
}

// WorkingSource is a Source that can also read working copies, because its caller holds the keys.
type WorkingSource interface {
	Source
	// Working yields the working copies of the events [first, first+count) in order of index, leaving out those that have expired. The
	// yielded value is valid during the call only.
	Working(ctx context.Context, first, count uint64, yield func(index uint64, w *Working) error) error
}

// Working is an event as people read it.
type Working struct {
	// Nonce and the clear attributes, as the working copy has them.
	Nonce                                                     [16]byte
	RecordedAt, OccurredAt                                    int64 // microseconds since 1970 UTC
	Source, Action, Category, Activity, Outcome, ResourceType string
	// Groups are all groups in slot order: those that the reader's keys open with G and fields, erased ones with their root.
	Groups []evidence.KeyedGroup
	// Columns are values that the working copy holds a second time, for searching.
	Columns []Column
	// TagKeys are K_tag of the actor, subject and resource that the working copy names, nil for those it does not name or cannot open.
	TagKeys [3]*evidence.Hash
	// ResourceTags is, for a resource that stands for nobody, the secret from which K_tag of those follows (ledger/DESIGN.md §5), else nil, and ResourceID its id.
	ResourceTags *evidence.Hash
	ResourceID   string
	// Err says why the values could not be read, when they could not: a failed decryption, say.
	Err error
}

// Column is a value that a working copy holds beside the committed field.
type Column struct {
	Path string
	// Text is the plain text: the content of a JSON string, the JSON text of any other value.
	Text string
}

// Options are what the verifier brings along.
type Options struct {
	// Keys are the verifier keys obtained from the log's keeper by another way. When nil, the target's own are used and the report says so.
	Keys *tlog.Keys
	// State is a file with the checkpoints seen last; the log must extend them. It is created, and updated after a success. "" keeps none.
	State string
	// Workers is the number of goroutines; 0 means one per processor.
	Workers int
	// Progress, when set, is called now and then with the number of leaves done and their total.
	Progress func(done, total uint64)
}

func (o *Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}
