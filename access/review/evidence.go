package review

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Proofs show that events are in the log.
type Proofs struct {
	Origin     string   `json:"origin"`
	Checkpoint string   `json:"checkpoint" doc:"The newest signed head of the log"`
	VKeys      []string `json:"vkeys" doc:"What it is checked with"`
	Events     []Proof  `json:"events"`
}

// Proof is one event of a review and the proof that it is in the log.
type Proof struct {
	EventID    string    `json:"event_id"`
	Seq        uint64    `json:"seq"`
	Action     string    `json:"action"`
	RecordedAt time.Time `json:"recorded_at"`
	LeafHash   string    `json:"leaf_hash" doc:"In hex"`
	// TLogProof is a C2SP tlog-proof.
	TLogProof string `json:"tlog_proof"`
}

// Document is the evidence of a review as JSON.
type Document struct {
	Review *Review `json:"review"`
	Items  []*Item `json:"items"`
	// CSV is the file of decisions whose SHA-256 the event of closing holds.
	CSV    string  `json:"csv"`
	SHA256 string  `json:"sha256"`
	Log    *Proofs `json:"log"`
}

// CloseReview ends a review: what was decided is kept as it is, and its SHA-256 recorded. With items that nobody has decided it is a Conflict, unless leave says that they stay so.
func (s *Service) CloseReview(ctx context.Context, by actor.Principal, id string, leave bool) (*Review, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	r, err := s.Get(ctx, by, id)
	if err != nil {
		return nil, err
	}
	switch {
	case r.State == Closed:
		return r, nil
	case r.Counts.Waiting > 0 && !leave:
		return nil, errs.New(errs.Conflict, "%s of the review wait for a decision.", things(r.Counts.Waiting))
	}
	all, err := s.all(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.State == Waiting {
			i.State = Undecided
		}
	}
	file, err := table(all, s.o.Formula)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(file)
	digest := hex.EncodeToString(sum[:])
	sealed, err := s.o.Sealer.Seal(ctx, r.TenantID, "access_review|"+r.ID+"|evidence", file)
	if err != nil {
		return nil, err
	}
	now := s.now()
	e := newEvent(ctx, actionClose, by, r)
	e.Changes = []event.Change{selfaudit.Change("/state", Open, Closed)}
	counts := r.Counts
	counts.Undecided, counts.Waiting = counts.Waiting, 0
	e.Data = []event.Member{selfaudit.Member("counts", counts), selfaudit.Member("decisions_sha256", digest)}
	err = s.o.Recorder.Record(ctx, r.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := finish(ctx, tx, r, by.ID(), now.UnixMicro(), sealed, digest); err != nil {
			return err
		}
		return s.o.Told(ctx, tx, r, "closed")
	})
	if err != nil {
		return nil, err
	}
	return s.Get(ctx, by, id)
}

// all returns every item of a review, readable.
func (s *Service) all(ctx context.Context, r *Review) ([]*Item, error) {
	list, err := items(ctx, s.o.DB.Read(ctx), r.TenantID, r.ID, itemFilter{limit: MaxItems})
	if err != nil {
		return nil, err
	}
	names, err := s.o.People.Names(ctx, r.TenantID)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if err := s.open(ctx, r.TenantID, i); err != nil {
			return nil, err
		}
		i.DeciderName, i.ReviewerNames = names[i.DecidedBy], []string{}
		for _, id := range i.Reviewers {
			i.ReviewerNames = append(i.ReviewerNames, names[id])
		}
	}
	return list, nil
}

// table writes items as CSV (RFC 4180), in which no cell is a formula.
func table(all []*Item, formula func(string) bool) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	rows := [][]string{{"item", "kind", "user_id", "user", "what", "role_id", "scope", "permissions", "sensitivity", "granted_by", "granted_at", "expires_at", "last_used_at", "elsewhere", "reviewers", "decision", "decided_by", "decided_by_name", "decided_at", "reason", "event_id"}}
	for _, i := range all {
		rows = append(rows, []string{i.ID, i.Kind, i.UserID, i.UserName, i.What, i.RoleID, i.Scope, strings.Join(i.Permissions, " "), i.Sensitivity, i.GrantedBy, stamp(i.GrantedAt), stamp(i.ExpiresAt), stamp(i.LastUsedAt),
			i.Elsewhere, strings.Join(i.ReviewerNames, ", "), i.State, i.DecidedBy, i.DeciderName, stamp(i.DecidedAt), i.Reason, i.EventID})
	}
	for _, row := range rows {
		for n := range row {
			if formula(row[n]) {
				row[n] = "'" + row[n]
			}
		}
		if err := w.Write(row); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Evidence writes what a closed review has decided: csv is the file whose SHA-256 was recorded, json holds it with the items and with the number and the proof of every event of the review, pdf and bundle are those events as a
// report and as a file that anybody can verify. That somebody took it is recorded.
func (s *Service) Evidence(ctx context.Context, by actor.Principal, id, format string) (*Review, func(w io.Writer) error, error) {
	if !sees(by) {
		return nil, nil, errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessView)
	}
	r, err := s.Get(ctx, by, id)
	if err != nil {
		return nil, nil, err
	}
	if r.State != Closed {
		return nil, nil, errs.New(errs.Conflict, "The review is still open: what it has decided may change until it is closed.")
	}
	sealed, err := evidenceOf(ctx, s.o.DB.Read(ctx), r)
	if err != nil {
		return nil, nil, err
	}
	file, err := s.o.Sealer.Unseal(ctx, r.TenantID, "access_review|"+r.ID+"|evidence", sealed)
	if err != nil {
		return nil, nil, errs.Wrap(errs.Internal, err, "the evidence of a review cannot be read")
	}
	write := func(w io.Writer) error { _, err := w.Write(file); return err }
	switch format {
	case "csv":
	case "json":
		doc := Document{Review: r, CSV: string(file), SHA256: r.SHA256}
		if doc.Items, err = s.all(ctx, r); err != nil {
			return nil, nil, err
		}
		if doc.Log, err = s.o.Log.Proofs(ctx, r.TenantID, r.ID); err != nil {
			return nil, nil, err
		}
		write = func(w io.Writer) error {
			enc := json.NewEncoder(w)
			enc.SetIndent("", "  ")
			return enc.Encode(doc)
		}
	case "pdf", "bundle":
		write = func(w io.Writer) error { return s.o.Log.Report(ctx, by, format, "Access review: "+r.Name, r.ID, w) }
	default:
		return nil, nil, errs.Field("/format", "not_allowed", "The evidence is csv, json, pdf or bundle.")
	}
	e := newEvent(ctx, actionExport, by, r)
	e.CorrelationID = "" // taking evidence is no part of it
	e.Data = []event.Member{selfaudit.Member("format", format)}
	return r, write, s.o.Recorder.Record(ctx, r.TenantID, e, func(context.Context, *sql.Tx) error { return nil })
}
