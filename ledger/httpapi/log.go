package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
)

func (h *Handlers) registerLog(a *api.API) {
	needs := api.Needs(actor.LedgerVerify)
	huma.Register(a, api.Op("list-logs", "GET /api/log", "The tenant's log", needs, api.Describe("The present epoch comes first. A log has earlier ones only after a lossy restore; their files are below `/api/log/{log_id}/epoch/{epoch}/`.")), h.logs)
	huma.Register(a, api.Op("start-verification", "POST /api/log/verify", "Verify the whole log now", needs, api.Status(http.StatusAccepted)), h.startVerification)
	huma.Register(a, api.Op("verification", "GET /api/log/verify", "State of the verification", needs), h.verification)
	huma.Register(a, api.Op("log-consistency", "GET /api/log/{log_id}/consistency", "Prove that a larger tree extends a smaller one", needs), h.consistency)
	huma.Register(a, api.Op("epoch-consistency", "GET /api/log/{log_id}/epoch/{epoch}/consistency", "The same in an epoch that a lossy restore has ended", needs), h.epochConsistency)
	rule := api.Rule{Permission: actor.LedgerVerify, Timeout: 2 * time.Minute}
	// An epoch that a lossy restore has ended is a log of its own, below its number.
	for _, log := range []string{"GET /api/log/{log_id}/", "GET /api/log/{log_id}/epoch/{epoch}/"} {
		a.Handle(log+"checkpoint", rule, h.file("text/plain; charset=utf-8", "no-store", func(_ context.Context, head ledger.Head, _ *http.Request) ([]byte, error) {
			return []byte(head.Checkpoint), nil
		}))
		a.Handle(log+"keys", rule, h.file("text/plain; charset=utf-8", "no-store", func(_ context.Context, head ledger.Head, _ *http.Request) ([]byte, error) {
			return []byte(head.VKeyText()), nil
		}))
		// Tiles of a size never change, so a private cache may keep them for good.
		a.Handle(log+"tile/{rest...}", rule, h.file("application/octet-stream", "private, max-age=31536000, immutable", h.tile))
	}
	// Without a log id: the caller's own log.
	a.Handle("GET /api/log/{rest...}", rule, http.HandlerFunc(h.redirect))
}

// redirect leads /api/log/… to the caller's own log.
func (h *Handlers) redirect(w http.ResponseWriter, r *http.Request) {
	p, err := actor.Require(r.Context(), actor.LedgerVerify)
	if err != nil {
		api.WriteError(w, r, err)
		return
	}
	head, err := h.Ledger.Head(r.Context(), p.TenantID)
	if err != nil {
		api.WriteError(w, r, err)
		return
	}
	rest := r.PathValue("rest")
	if rest != "checkpoint" && rest != "keys" && rest != "consistency" && !strings.HasPrefix(rest, "tile/") {
		api.WriteError(w, r, errs.New(errs.NotFound, "there is nothing of this name in a log"))
		return
	}
	u := "/api/log/" + head.LogID + "/" + rest
	if r.URL.RawQuery != "" {
		u += "?" + r.URL.RawQuery
	}
	http.Redirect(w, r, u, http.StatusTemporaryRedirect)
}

// own returns the head of an epoch of the caller's log. Another log's id is as unknown as one that does not exist.
func (h *Handlers) own(ctx context.Context, logID string, epoch int64) (ledger.Head, actor.Principal, error) {
	p, err := actor.Require(ctx, actor.LedgerVerify)
	if err != nil {
		return ledger.Head{}, p, err
	}
	head, err := h.Ledger.EpochHead(ctx, p.TenantID, epoch)
	if err == nil && head.LogID != logID {
		err = errs.New(errs.NotFound, "there is no log with this id")
	}
	return head, p, err
}

func (h *Handlers) file(contentType, cache string, content func(context.Context, ledger.Head, *http.Request) ([]byte, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b []byte
		var head ledger.Head
		epoch, err := epochIn(r.PathValue("epoch"))
		if err == nil {
			head, _, err = h.own(r.Context(), r.PathValue("log_id"), epoch)
		}
		if err == nil {
			b, err = content(r.Context(), head, r)
		}
		if err != nil {
			api.WriteError(w, r, err)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", cache)
		_, _ = w.Write(b) // the client may be gone
	})
}

// epochIn reads the number of an epoch; none is the present one.
func epochIn(s string) (int64, error) {
	if s == "" {
		return ledger.Newest, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, errs.New(errs.NotFound, "this is not the number of an epoch")
	}
	return int64(n), nil
}

func (h *Handlers) tile(ctx context.Context, head ledger.Head, r *http.Request) ([]byte, error) {
	p, err := actor.Require(ctx, actor.LedgerVerify)
	if err != nil {
		return nil, err
	}
	t, err := tlog.ParseTilePath("tile/" + r.PathValue("rest"))
	if err != nil {
		return nil, errs.New(errs.NotFound, "this is not the path of a tile")
	}
	if t.Entries {
		return h.Ledger.Entries(ctx, p.TenantID, head.Epoch, t.Index, t.Width)
	}
	return h.Ledger.Tile(ctx, p.TenantID, head.Epoch, t.Level, t.Index, t.Width)
}

type logView struct {
	LogID      string         `json:"log_id"`
	Origin     string         `json:"origin"`
	Epoch      int64          `json:"epoch"`
	Base       int64          `json:"base" doc:"seq of the epoch's first event"`
	Ended      bool           `json:"ended,omitempty" doc:"a lossy restore has ended this epoch; the log goes on in a later one"`
	Size       int64          `json:"size" doc:"events recorded"`
	Checkpoint checkpointView `json:"checkpoint"`
	VKey       string         `json:"vkey" doc:"the epoch's key, for probity verify --key"`
	VKeys      []string       `json:"vkeys" doc:"every key of the log, those of the epoch first"`
	Last       *VerifyResult  `json:"last_verification"`
	Anchoring  string         `json:"anchoring" doc:"who besides the operator vouches for the log: self-signed means nobody yet"`
	SealedSize int64          `json:"sealed_size"`
	Segments   int            `json:"segments"`
	Evidence   int64          `json:"evidence_bytes"`
	Working    int64          `json:"working_bytes"`
	Frozen     string         `json:"frozen,omitempty" doc:"why the log takes no events"`
}

type checkpointView struct {
	Size     int64      `json:"size"`
	Root     string     `json:"root"`
	SignedAt *time.Time `json:"signed_at,omitempty" doc:"absent when it is not known"`
	Text     string     `json:"text"`
}

type logsOutput struct {
	Body struct {
		Logs []logView `json:"logs"`
	}
}

func (h *Handlers) logs(ctx context.Context, _ *struct{}) (*logsOutput, error) {
	p, err := actor.Require(ctx, actor.LedgerVerify)
	if err != nil {
		return nil, err
	}
	heads, err := h.Ledger.Heads(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	v, err := h.Verifier.Status(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	out := &logsOutput{}
	for _, d := range heads {
		l := viewLog(d)
		if !d.Ended {
			l.Last = v.Last
		}
		out.Body.Logs = append(out.Body.Logs, l)
	}
	return out, nil
}

func viewLog(d ledger.Head) logView {
	cp := checkpointView{Size: int64(d.Published - d.Base), Root: Base64(d.Root[:]), Text: d.Checkpoint}
	if !d.SignedAt.IsZero() {
		cp.SignedAt = &d.SignedAt
	}
	return logView{LogID: d.LogID, Origin: d.Origin, Epoch: d.Epoch, Base: int64(d.Base), Ended: d.Ended, Size: int64(d.Next - d.Base), VKey: d.VKeys[0], VKeys: d.VKeys, Anchoring: "self-signed",
		SealedSize: int64(d.Sealed), Segments: d.Segments, Evidence: d.EvidenceBytes, Working: d.WorkingBytes, Frozen: d.Frozen, Checkpoint: cp}
}

func (h *Handlers) startVerification(ctx context.Context, _ *struct{}) (*verificationOutput, error) {
	p, err := actor.Require(ctx, actor.LedgerVerify)
	if err != nil {
		return nil, err
	}
	if err := h.Verifier.Start(ctx, p.TenantID, p.ID()); err != nil {
		return nil, err
	}
	return h.verification(ctx, nil)
}

type verificationOutput struct {
	Body Verification
}

func (h *Handlers) verification(ctx context.Context, _ *struct{}) (*verificationOutput, error) {
	p, err := actor.Require(ctx, actor.LedgerVerify)
	if err != nil {
		return nil, err
	}
	v, err := h.Verifier.Status(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	return &verificationOutput{Body: v}, nil
}

type consistencyInput struct {
	LogID string `path:"log_id"`
	From  int64  `query:"from" minimum:"0" required:"true"`
	To    int64  `query:"to" minimum:"0" required:"true"`
}

type consistencyOutput struct {
	Body struct {
		From  int64    `json:"from"`
		To    int64    `json:"to"`
		Proof []string `json:"proof"`
	}
}

func (h *Handlers) consistency(ctx context.Context, in *consistencyInput) (*consistencyOutput, error) {
	return h.proveConsistency(ctx, in, ledger.Newest)
}

type epochConsistencyInput struct {
	LogID string `path:"log_id"`
	Epoch int64  `path:"epoch" minimum:"0"`
	From  int64  `query:"from" minimum:"0" required:"true"`
	To    int64  `query:"to" minimum:"0" required:"true"`
}

func (h *Handlers) epochConsistency(ctx context.Context, in *epochConsistencyInput) (*consistencyOutput, error) {
	return h.proveConsistency(ctx, &consistencyInput{LogID: in.LogID, From: in.From, To: in.To}, in.Epoch)
}

func (h *Handlers) proveConsistency(ctx context.Context, in *consistencyInput, epoch int64) (*consistencyOutput, error) {
	_, p, err := h.own(ctx, in.LogID, epoch)
	if err != nil {
		return nil, err
	}
	proof, err := h.Ledger.Consistency(ctx, p.TenantID, epoch, uint64(in.From), uint64(in.To))
	if err != nil {
		return nil, err
	}
	out := &consistencyOutput{}
	out.Body.From, out.Body.To, out.Body.Proof = in.From, in.To, base64List(proof)
	return out, nil
}

func base64List(hashes []tlog.Hash) []string {
	out := make([]string, len(hashes))
	for i := range hashes {
		out[i] = Base64(hashes[i][:])
	}
	return out
}

type proofOutput struct {
	Body proofView
}

type proofView struct {
	Seq         int64           `json:"seq"`
	Leaf        string          `json:"leaf" doc:"the evidence, base64"`
	LeafHash    string          `json:"leaf_hash"`
	LeafIndex   int64           `json:"leaf_index"`
	TreeSize    int64           `json:"tree_size"`
	Checkpoint  string          `json:"checkpoint"`
	Inclusion   []string        `json:"inclusion"`
	TLogProof   string          `json:"tlog_proof"`
	Disclosures json.RawMessage `json:"disclosures"`
	VKey        string          `json:"vkey"`
	VKeys       []string        `json:"vkeys"`
}

func (h *Handlers) proof(ctx context.Context, in *eventInput) (*proofOutput, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	seq, err := h.resolve(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	pr, err := h.Ledger.Prove(ctx, p.TenantID, seq, h.mask(p))
	if err != nil {
		return nil, err
	}
	d, err := pr.Disclosure.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	h.read(p, "prove", 1)
	if h.Reads != nil && newTally(p) != nil { // a disclosure opens what the reader may see
		if err := h.Reads.Reveal(context.WithoutCancel(ctx), p, Revealed{Operation: "prove", Events: 1, Seq: seq}); err != nil {
			return nil, err
		}
	}
	return &proofOutput{Body: proofView{Seq: int64(pr.Seq), Leaf: Base64(pr.Leaf), LeafHash: Base64(pr.LeafHash[:]), LeafIndex: int64(pr.Index),
		TreeSize: int64(pr.TreeSize), Checkpoint: pr.Checkpoint, Inclusion: base64List(pr.Inclusion), TLogProof: pr.TLogProof, Disclosures: d, VKey: pr.VKeys[0], VKeys: pr.VKeys}}, nil
}

// Base64 is the text form of hashes throughout the API: standard base64 with padding.
func Base64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
