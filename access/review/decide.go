package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// Decision is what a reviewer says about items.
type Decision struct {
	Items  []string
	Revoke bool
	Reason string
}

// Result is what became of one item.
type Result struct {
	ID    string `json:"id"`
	State string `json:"state" enum:"waiting,confirmed,revoked,gone,undecided"`
	// Problem says why the item was not decided, Elsewhere what has to be ended where the grant comes from.
	Problem   string `json:"problem,omitempty"`
	Elsewhere string `json:"elsewhere,omitempty"`
}

func checkReason(text string) (string, error) {
	text = strings.TrimSpace(text)
	if n := utf8.RuneCountInString(text); n == 0 || n > maxReason || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return "", errs.Field("/reason", "required", "Say why, in one line of at most %d characters: it is part of the evidence.", maxReason)
	}
	return text, nil
}

// refusal says why somebody may not decide an item, nil when he may.
func refusal(r *Review, i *Item, by actor.Principal) error {
	switch {
	case r.State != Open:
		return errs.New(errs.Conflict, "The review is closed.")
	case i.State != Waiting:
		return errs.New(errs.Conflict, "This was decided already.")
	case by.IsSystem():
		return nil // the time is over
	case by.UserID == "" || by.SessionID == "":
		return errs.New(errs.Forbidden, "Only a person who is signed in reviews, not an API key.")
	case i.UserID == by.UserID:
		return errs.New(errs.Forbidden, "Nobody reviews what he has himself.")
	case !slices.Contains(i.Reviewers, by.UserID) && !by.Can(actor.AccessManage):
		return errs.New(errs.Forbidden, "Somebody else reviews this.")
	}
	return nil
}

// Decide confirms or revokes items of a review. Confirming is all or nothing; several items can be confirmed at once only where none of them is sensitive, because those deserve a look each. Revoking goes one by one, and says of
// each what became of it. Refused attempts are recorded.
func (s *Service) Decide(ctx context.Context, by actor.Principal, id string, d Decision) ([]Result, error) {
	var err error
	if d.Reason, err = checkReason(d.Reason); err != nil {
		return nil, err
	}
	if len(d.Items) == 0 || len(d.Items) > MaxAtOnce {
		return nil, errs.Field("/items", "count", "Decide 1 to %d items at once.", MaxAtOnce)
	}
	r, err := s.Get(ctx, by, id)
	if err != nil {
		return nil, err
	}
	var list []*Item
	for _, id := range slices.Compact(slices.Sorted(slices.Values(d.Items))) {
		i, err := item(ctx, s.o.DB.Read(ctx), r.TenantID, r.ID, id)
		if err == nil {
			err = s.open(ctx, r.TenantID, i)
		}
		if err != nil {
			return nil, err
		}
		if !sees(by) && !slices.Contains(i.Reviewers, by.UserID) {
			return nil, errs.New(errs.NotFound, "There is no such item.")
		}
		if no := refusal(r, i, by); no != nil {
			return nil, s.refused(ctx, by, r, i, no)
		}
		if i.Sensitivity != string(role.Normal) && len(d.Items) > 1 && !d.Revoke {
			return nil, errs.Field("/items", "one_by_one", "What is sensitive is confirmed one by one: it deserves a look of its own.")
		}
		list = append(list, i)
	}
	if !d.Revoke {
		return s.confirm(ctx, by, r, list, d.Reason)
	}
	out := make([]Result, 0, len(list))
	for _, i := range list {
		res, err := s.revoke(ctx, by, r, i, d.Reason)
		if err != nil && len(list) == 1 {
			return nil, err
		}
		if err != nil {
			res = Result{ID: i.ID, State: Waiting, Problem: errs.Message(err)}
		}
		out = append(out, res)
	}
	return out, nil
}

// refused records that somebody tried to decide what he may not.
func (s *Service) refused(ctx context.Context, by actor.Principal, r *Review, i *Item, why error) error {
	if errs.CodeOf(why) != errs.Forbidden {
		return why
	}
	e := newEvent(ctx, actionRefuse, by, r)
	e.Severity, e.Outcome, e.Data = "medium", event.Outcome{Status: "denied", Reason: errs.Message(why)}, decision(r, i)
	if err := s.o.Recorder.Record(ctx, by.TenantID, e, func(context.Context, *sql.Tx) error { return nil }); err != nil {
		return err
	}
	return why
}

func (s *Service) verdict(ctx context.Context, by actor.Principal, r *Review, i *Item, state, reason, event string, at time.Time) (verdict, error) {
	sealed, err := s.o.Sealer.Seal(ctx, r.TenantID, "access_review_item|"+i.ID+"|reason", []byte(reason))
	return verdict{item: i.ID, state: state, by: by.ID(), event: event, reason: sealed, at: at}, err
}

func (s *Service) confirm(ctx context.Context, by actor.Principal, r *Review, list []*Item, reason string) ([]Result, error) {
	grants := make([]Grant, len(list))
	for n, i := range list {
		grants[n] = i.Grant
	}
	holds, err := s.o.Grants.Holds(ctx, r.TenantID, grants)
	if err != nil {
		return nil, err
	}
	now := s.now()
	var events []*event.Event
	var verdicts []verdict
	var out []Result
	for n, i := range list {
		action, to := actionConfirm, Confirmed
		if !holds[n] {
			action, to = actionGone, Gone
		}
		e := decided(ctx, action, by, r, i, to, reason)
		e.ID = newID()
		v, err := s.verdict(ctx, by, r, i, to, reason, e.ID, now)
		if err != nil {
			return nil, err
		}
		events, verdicts, out = append(events, e), append(verdicts, v), append(out, Result{ID: i.ID, State: to})
	}
	return out, s.o.Recorder.RecordAll(ctx, r.TenantID, events, func(ctx context.Context, tx *sql.Tx) error { return decide(ctx, tx, r, verdicts...) })
}

// revoke ends what an item is about, and notes it in the same transaction.
func (s *Service) revoke(ctx context.Context, by actor.Principal, r *Review, i *Item, reason string) (Result, error) {
	now, id := s.now(), newID()
	v, err := s.verdict(ctx, by, r, i, Revoked, reason, id, now)
	if err != nil {
		return Result{}, err
	}
	cause := role.Cause{EventID: id, CorrelationID: r.ID, Data: decision(r, i), Done: func(ctx context.Context, tx *sql.Tx) error { return decide(ctx, tx, r, v) }}
	ended, err := s.o.Grants.Revoke(ctx, by, r.CreatedBy, i.Grant, reason, cause)
	if err != nil || ended {
		return Result{ID: i.ID, State: Revoked, Elsewhere: i.Elsewhere}, err
	}
	// There is nothing here to end: it has ended, or is something that only exists elsewhere.
	action := actionGone
	v.state, v.event = Gone, newID()
	if i.Kind == KindGroup {
		action, v.state = actionRevoke, Revoked
	}
	e := decided(ctx, action, by, r, i, v.state, reason)
	e.ID = v.event
	err = s.o.Recorder.Record(ctx, r.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return decide(ctx, tx, r, v) })
	return Result{ID: i.ID, State: v.state, Elsewhere: i.Elsewhere}, err
}

// open makes a stored item readable.
func (s *Service) open(ctx context.Context, tenant string, i *Item) error {
	text, err := s.o.Sealer.Unseal(ctx, tenant, "access_review_item|"+i.ID, i.snapshot)
	if err == nil {
		err = json.Unmarshal(text, &i.Grant)
	}
	if err == nil && len(i.reason) > 0 {
		text, err = s.o.Sealer.Unseal(ctx, tenant, "access_review_item|"+i.ID+"|reason", i.reason)
		i.Reason = string(text)
	}
	if err != nil {
		return errs.New(errs.Internal, "an item of a review cannot be read") // the cause would quote it
	}
	return nil
}

// unsealed makes a stored review readable.
func (s *Service) unsealed(ctx context.Context, r *Review) error {
	text, err := s.o.Sealer.Unseal(ctx, r.TenantID, "access_review|"+r.ID, r.sealed)
	if err == nil {
		err = json.Unmarshal(text, &r.Definition)
	}
	if err != nil {
		return errs.New(errs.Internal, "a review cannot be read")
	}
	return nil
}

// Get returns a review of the caller's tenant; NotFound for those who neither manage nor see access nor review something of it.
func (s *Service) Get(ctx context.Context, by actor.Principal, id string) (*Review, error) {
	db := s.o.DB.Read(ctx)
	r, err := get(ctx, db, by.TenantID, id)
	if err != nil {
		return nil, err
	}
	if !sees(by) {
		mine, err := items(ctx, db, by.TenantID, id, itemFilter{reviewer: nobody(by.UserID), limit: 1})
		if err != nil || len(mine) == 0 {
			if err == nil {
				err = errNone
			}
			return nil, err
		}
	}
	return r, s.present(ctx, by, r)
}

// nobody is the id of a user, or one that no user has.
func nobody(user string) string {
	if user == "" {
		return "-"
	}
	return user
}

func (s *Service) present(ctx context.Context, by actor.Principal, list ...*Review) error {
	names, err := s.o.People.Names(ctx, by.TenantID)
	if err != nil {
		return err
	}
	for _, r := range list {
		if err := s.unsealed(ctx, r); err != nil {
			return err
		}
		r.CreatorName = names[r.CreatedBy]
		if err := count(ctx, s.o.DB.Read(ctx), r, by.UserID); err != nil {
			return err
		}
	}
	return nil
}

// List returns reviews of the caller's tenant, newest first: all to those who see who may do what, to others those in which they review something. more says that older ones follow.
func (s *Service) List(ctx context.Context, by actor.Principal, state, before string, limit int) (all []*Review, more bool, err error) {
	reviewer := ""
	if !sees(by) {
		reviewer = nobody(by.UserID)
	}
	all, err = list(ctx, s.o.DB.Read(ctx), by.TenantID, state, before, reviewer, limit+1)
	if err != nil {
		return nil, false, err
	}
	if more = len(all) > limit; more {
		all = all[:limit]
	}
	return all, more, s.present(ctx, by, all...)
}

// Page narrows what [Service.Items] returns.
type Page struct {
	State string
	Mine  bool
	After string // id of the last one seen
	Limit int    // 1 to 500
}

// Items returns the items of a review, in the order in which they were taken down: all to those who see who may do what, to others what they review.
func (s *Service) Items(ctx context.Context, by actor.Principal, id string, p Page) (all []*Item, more bool, err error) {
	r, err := s.Get(ctx, by, id)
	if err != nil {
		return nil, false, err
	}
	f := itemFilter{state: p.State, after: p.After, limit: p.Limit + 1}
	if p.Mine || !sees(by) {
		f.reviewer = nobody(by.UserID)
	}
	if all, err = items(ctx, s.o.DB.Read(ctx), r.TenantID, r.ID, f); err != nil {
		return nil, false, err
	}
	if more = len(all) > p.Limit; more {
		all = all[:p.Limit]
	}
	names, err := s.o.People.Names(ctx, by.TenantID)
	if err != nil {
		return nil, false, err
	}
	for _, i := range all {
		if err := s.open(ctx, r.TenantID, i); err != nil {
			return nil, false, err
		}
		i.DeciderName, i.ReviewerNames = names[i.DecidedBy], []string{}
		for _, id := range i.Reviewers {
			i.ReviewerNames = append(i.ReviewerNames, names[id])
		}
		if r.State == Open && i.State == Waiting {
			if no := refusal(r, i, by); no != nil {
				i.WhyNot = errs.Message(no)
			} else {
				i.MayDecide = true
			}
		}
	}
	return all, more, nil
}
