package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"probity.dev/internal/evidence"
	"probity.dev/internal/tlog"
)

// Proof shows that an event is in the log, and opens the fields that this caller may see.
type Proof struct {
	Seq        uint64 `json:"seq"`
	Leaf       []byte `json:"leaf"` // the evidence
	LeafIndex  uint64 `json:"leaf_index"`
	TreeSize   uint64 `json:"tree_size"`
	Checkpoint string `json:"checkpoint"`
	// TLogProof is the same proof as a C2SP tlog-proof, for other tools.
	TLogProof   string          `json:"tlog_proof"`
	Inclusion   [][]byte        `json:"inclusion"`
	Disclosures json.RawMessage `json:"disclosures"`
	VKeys       []string        `json:"vkeys"`
}

// Verified is what a [Proof] has shown.
type Verified struct {
	// Origin and Size of the signed checkpoint that covers the event.
	Origin string
	Size   uint64
	// Fields are the proven values by JSON pointer, each the verbatim JSON that was recorded.
	Fields map[string]json.RawMessage
	// Claims are masked values: the operator's word, which nothing proves.
	Claims map[string]json.RawMessage
	// Hidden fields stay closed; groups of fields are Withheld from this caller or Erased for everybody.
	Hidden, Withheld, Erased int
}

// Proof asks for the proof of one event by its seq. The server answers once a checkpoint covers the event, at most some seconds after it was recorded.
func (c *Client) Proof(ctx context.Context, seq uint64) (*Proof, error) {
	p := &Proof{}
	return p, c.get(ctx, "/api/events/"+strconv.FormatUint(seq, 10)+"/proof", nil, p)
}

// Verify checks the signature of the checkpoint under keys (vkeys, one a line), that the checkpoint's tree holds the evidence, and that the disclosed fields are the ones that the evidence commits
// to. Keys must come from where they were kept, not from the proof: a proof that brings its own keys proves nothing.
func (p *Proof) Verify(keys string) (*Verified, error) {
	k, err := tlog.ParseKeys(keys)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	cp, err := tlog.Open([]byte(p.Checkpoint), k)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	path := make([]tlog.Hash, len(p.Inclusion))
	for i, h := range p.Inclusion {
		if len(h) != tlog.HashSize {
			return nil, fmt.Errorf("client: a hash of the proof has %d bytes", len(h))
		}
		path[i] = tlog.Hash(h)
	}
	if err := tlog.VerifyInclusion(tlog.LeafHash(p.Leaf), p.LeafIndex, cp.Size, path, cp.Root); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	leaf, err := evidence.DecodeLeaf(p.Leaf)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	var d evidence.Disclosure
	if err := d.UnmarshalJSON(p.Disclosures); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	shown, err := d.Check(leaf)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	v := &Verified{Origin: cp.Origin, Size: cp.Size, Fields: map[string]json.RawMessage{}, Claims: map[string]json.RawMessage{}, Hidden: shown.Hidden, Withheld: shown.Withheld, Erased: shown.Erased}
	for _, f := range shown.Fields {
		v.Fields[f.Path] = json.RawMessage(f.Value)
	}
	for _, f := range shown.Claims {
		v.Claims[f.Path] = json.RawMessage(f.Value)
	}
	return v, nil
}

// Log describes the tenant's log.
type Log struct {
	LogID      string `json:"log_id"`
	Origin     string `json:"origin"`
	Epoch      int64  `json:"epoch"`
	Base       uint64 `json:"base"` // seq of the epoch's first event
	Size       uint64 `json:"size"` // events recorded
	VKey       string `json:"vkey"`
	SealedSize uint64 `json:"sealed_size"`
	Segments   int    `json:"segments"`
	// EvidenceBytes and WorkingBytes are the sizes of the sealed files.
	EvidenceBytes int64 `json:"evidence_bytes"`
	WorkingBytes  int64 `json:"working_bytes"`
	// Anchoring says who besides the operator vouches for the log.
	Anchoring  string `json:"anchoring"`
	Checkpoint struct {
		Size     uint64    `json:"size"`
		Root     string    `json:"root"` // base64
		SignedAt time.Time `json:"signed_at"`
		Text     string    `json:"text"`
	} `json:"checkpoint"`
	// LastVerification is how the newest verification by the server itself ended; nil when there was none.
	LastVerification *struct {
		At    time.Time `json:"at"`
		OK    bool      `json:"ok"`
		Size  uint64    `json:"size"`
		Error string    `json:"error"`
	} `json:"last_verification"`
	// Frozen says why the log takes no events; "" when it does.
	Frozen string `json:"frozen"`
}

// Log returns the log of the key's tenant in its present epoch.
func (c *Client) Log(ctx context.Context) (*Log, error) {
	var out struct {
		Logs []Log `json:"logs"`
	}
	if err := c.get(ctx, "/api/log", nil, &out); err != nil {
		return nil, err
	}
	if len(out.Logs) == 0 {
		return nil, fmt.Errorf("client: the server has no log for this key")
	}
	return &out.Logs[0], nil
}

// Keys returns every key that ever signed for the log, one vkey a line. Compare them with what the operator published before trusting them.
func (c *Client) Keys(ctx context.Context, logID string) (string, error) {
	return c.text(ctx, "/api/log/"+logID+"/keys")
}

// Checkpoint returns the newest signed checkpoint of the log. Keep it: whoever holds one can show that a log was cut or rewritten.
func (c *Client) Checkpoint(ctx context.Context, logID string) (string, error) {
	return c.text(ctx, "/api/log/"+logID+"/checkpoint")
}

// CheckConsistency shows that the log which signed newer extends the one which signed older. Both are signed checkpoints.
func (c *Client) CheckConsistency(ctx context.Context, logID, keys, older, newer string) error {
	k, err := tlog.ParseKeys(keys)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	from, err := tlog.Open([]byte(older), k)
	if err != nil {
		return fmt.Errorf("client: the older checkpoint: %w", err)
	}
	to, err := tlog.Open([]byte(newer), k)
	if err != nil {
		return fmt.Errorf("client: the newer checkpoint: %w", err)
	}
	if from.Origin != to.Origin || from.Size > to.Size {
		return fmt.Errorf("client: the checkpoints are of %s at %d and %s at %d", from.Origin, from.Size, to.Origin, to.Size)
	}
	var out struct {
		Proof []string `json:"proof"`
	}
	query := map[string][]string{"from": {strconv.FormatUint(from.Size, 10)}, "to": {strconv.FormatUint(to.Size, 10)}}
	if err := c.get(ctx, "/api/log/"+logID+"/consistency", query, &out); err != nil {
		return err
	}
	path := make([]tlog.Hash, len(out.Proof))
	for i, s := range out.Proof {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil || len(b) != tlog.HashSize {
			return fmt.Errorf("client: hash %d of the proof is malformed", i)
		}
		path[i] = tlog.Hash(b)
	}
	if err := tlog.VerifyConsistency(from.Size, to.Size, from.Root, to.Root, path); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return nil
}

func (c *Client) text(ctx context.Context, path string) (string, error) {
	res, err := c.do(ctx, request{method: http.MethodGet, path: path, repeatable: true, header: http.Header{"Accept": {"text/plain"}}})
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return string(b), err
}
