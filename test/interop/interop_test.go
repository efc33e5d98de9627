package interop

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	xtlog "golang.org/x/mod/sumdb/tlog"

	"probity.dev/verify"
)

// patience bounds every run of somebody else's code: fsck of that version can wait for ever when it finds a mismatch.
const patience = 2 * time.Minute

var errTimeout = errors.New("timed out")

func (g *target) verifier(t *testing.T) note.Verifier {
	t.Helper()
	v, err := note.NewVerifier(strings.TrimSpace(g.vkey))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (g *target) tessera(t *testing.T) *client.HTTPFetcher {
	t.Helper()
	u, err := url.Parse(g.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	f, err := client.NewHTTPFetcher(u, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.SetAuthorizationHeader("Bearer " + g.token)
	return f
}

// leafHashes is what Tessera's fsck command uses for tlog-tiles logs.
func leafHashes(bundle []byte) ([][]byte, error) {
	eb := &api.EntryBundle{}
	if err := eb.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var out [][]byte
	for _, e := range eb.Entries {
		out = append(out, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return out, nil
}

// runFsck runs Tessera's fsck with a time limit, leaving it behind if it hangs.
func runFsck(t *testing.T, g *target, workers uint, limit time.Duration) error {
	t.Helper()
	f := fsck.New(g.origin, g.verifier(t), g.tessera(t), leafHashes, fsck.Opts{N: workers})
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.Check(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errTimeout
	}
}

func TestTesseraFsckAcceptsTheLog(t *testing.T) {
	if err := runFsck(t, open(t), 4, patience); err != nil {
		t.Fatal(err)
	}
}

func TestTesseraClientProvesAndFollows(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	g := open(t)
	f := g.tessera(t)
	cp, raw, _, err := client.FetchCheckpoint(ctx, f.ReadCheckpoint, g.verifier(t), g.origin)
	if err != nil {
		t.Fatal(err)
	}
	if cp.Size == 0 {
		t.Fatal("the log is empty")
	}
	pb, err := client.NewProofBuilder(ctx, cp.Size, f.ReadTile)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []uint64{0, 1, cp.Size / 3, cp.Size / 2, cp.Size - 2, cp.Size - 1} {
		p, err := pb.InclusionProof(ctx, i)
		if err != nil {
			t.Fatal(err)
		}
		b, err := client.GetEntryBundle(ctx, f.ReadEntryBundle, i/256, cp.Size)
		if err != nil {
			t.Fatal(err)
		}
		leaf := b.Entries[i%256]
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, i, cp.Size, rfc6962.DefaultHasher.HashLeaf(leaf), p, cp.Hash); err != nil {
			t.Errorf("leaf %d: %v", i, err)
		}
		text, mine := g.proof(t, i)
		if !bytes.Equal(mine, leaf) {
			t.Errorf("leaf %d: the proof endpoint has another leaf than the entry bundle", i)
		}
		if len(text) == 0 {
			t.Errorf("leaf %d: no tlog-proof", i)
		}
	}
	if _, err := pb.ConsistencyProof(ctx, cp.Size/2, cp.Size); err != nil {
		t.Error(err)
	}
	if _, err := client.NewLogStateTracker(ctx, f.ReadTile, raw, g.verifier(t), g.origin, client.UnilateralConsensus(f.ReadCheckpoint)); err != nil {
		t.Error(err)
	}
}

func TestTorchwoodReadsAndProvesEveryEntry(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	g := open(t)
	tiles, err := torchwood.NewTileFetcher(g.url, torchwood.WithHTTPClient(&http.Client{Transport: bearer{g.token}}))
	if err != nil {
		t.Fatal(err)
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(g.origin), torchwood.SingleVerifierPolicy(g.verifier(t)))
	cp, _, err := torchwood.VerifyCheckpoint(g.get(t, g.url+"/checkpoint"), policy)
	if err != nil {
		t.Fatal(err)
	}
	c, err := torchwood.NewClient(tiles)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	start := time.Now()
	for i := range c.AllEntries(ctx, cp.Tree, 0) {
		if i != n {
			t.Fatalf("entry %d where %d was due", i, n)
		}
		n++
	}
	if err := c.Err(); err != nil || n != cp.N {
		t.Fatalf("%d of %d entries, %v", n, cp.N, err)
	}
	t.Logf("%d entries, %.0f/s", n, float64(n)/time.Since(start).Seconds())
	for _, i := range []int64{0, n / 2, n - 1} {
		entry, _, err := c.Entry(ctx, cp.Tree, i)
		if err != nil {
			t.Fatal(err)
		}
		text, leaf := g.proof(t, uint64(i))
		if !bytes.Equal(entry, leaf) {
			t.Errorf("entry %d differs from the proof's leaf", i)
		}
		if err := torchwood.VerifyProof(policy, xtlog.RecordHash(leaf), text); err != nil {
			t.Errorf("Torchwood refuses the tlog-proof of entry %d: %v", i, err)
		}
		leaf[len(leaf)/2] ^= 1
		if err := torchwood.VerifyProof(policy, xtlog.RecordHash(leaf), text); err == nil {
			t.Errorf("Torchwood accepts the proof of entry %d for another leaf", i)
		}
	}
}

func TestOurVerifierAgrees(t *testing.T) {
	g := open(t)
	r, err := verify.Server(context.Background(), g.server, g.token, verify.Options{})
	if err != nil || !r.OK {
		t.Fatalf("%v\n%s", err, r)
	}
	t.Logf("\n%s", r)
}

// TestEverybodyRefusesDamage makes sure that acceptance above means something.
func TestEverybodyRefusesDamage(t *testing.T) {
	for _, path := range []string{"tile/entries/010", "tile/0/010", "tile/1/000"} {
		g := sample(t, func(p string, b []byte) []byte {
			if p == path {
				b = bytes.Clone(b)
				b[33] ^= 1
			}
			return b
		})
		// One mismatch occupies one of fsck's workers for ever only if there are as many mismatches as workers; it has plenty here.
		if err := runFsck(t, g, 64, patience); err == nil {
			t.Errorf("%s: Tessera's fsck accepts a flipped bit", path)
		}
		r, err := verify.Server(context.Background(), g.server, g.token, verify.Options{})
		if err != nil || r.OK {
			t.Errorf("%s: we accept a flipped bit: %v", path, err)
		}
	}
}
