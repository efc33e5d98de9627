package ledger_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"probity.dev/internal/tlog"
	"probity.dev/ledger/ledgertest"
)

// BenchmarkInclusionProof proves random leaves of a log of PROBITY_BENCH_EVENTS leaves (10 million when not set), from the stored tiles.
func BenchmarkInclusionProof(b *testing.B) {
	size := uint64(10_000_000)
	if n, err := strconv.ParseUint(os.Getenv("PROBITY_BENCH_EVENTS"), 10, 32); err == nil {
		size = n
	}
	size -= size % tlog.TileWidth // nothing is pending then, so tiles are all there is
	box := bigLog(b, size)
	ctx := context.Background()
	var took []time.Duration
	b.ResetTimer()
	for range b.N {
		start := time.Now()
		if _, n, err := box.Inclusion(ctx, ledgertest.Tenant, rand.Uint64N(size)); err != nil || n != size {
			b.Fatal(n, err)
		}
		took = append(took, time.Since(start))
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
}

// bigLog makes a log of invented leaf hashes by writing its tiles.
func bigLog(b *testing.B, size uint64) *ledgertest.Box {
	ctx := context.Background()
	box := ledgertest.New(b)
	dir, id := box.Dir, box.Info.LogID
	tree := tlog.NewTree()
	for tree.Size() < size {
		var tiles []tlog.TileWrite
		for tree.Size() < size && len(tiles) < 1000 {
			var leaves [tlog.TileWidth]tlog.Hash
			for i := range leaves {
				var n [8]byte
				binary.BigEndian.PutUint64(n[:], tree.Size()+uint64(i))
				leaves[i] = sha256.Sum256(n[:])
			}
			tiles = append(tiles, tree.Append(leaves[:])...)
		}
		if err := box.DB.Write(ctx, func(tx *sql.Tx) error {
			for _, t := range tiles {
				if _, err := tx.ExecContext(ctx, `INSERT INTO tile (log_id, epoch, level, idx, body) VALUES ($1, 0, $2, $3, $4)`, id, t.Level, t.Index, t.Data); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	root := tree.Root()
	if err := box.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE log SET size = $1, root = $2 WHERE log_id = $3`, size, root[:], id)
		return err
	}); err != nil {
		b.Fatal(err)
	}
	box.Stop(b)
	box = ledgertest.Open(b, dir)
	for range 500 {
		if h, err := box.Head(ctx, ledgertest.Tenant); err != nil || h.Published == size {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return box
}
