package approval

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"probity.dev/access/scope"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// KindRule is a change of how many must approve another kind. It needs as many approvals as that kind did before.
const KindRule = "approval.rule"

const (
	// MaxNeeded is the most approvals that a rule asks for.
	MaxNeeded  = 5
	ruleWindow = 7 * 24 * time.Hour
)

// Rule is how many people must approve requests of a kind in a tenant.
type Rule struct {
	Kind   string `json:"kind"`
	Title  string `json:"title"`
	Needed int    `json:"needed" format:"int32" doc:"How many people other than who asks must approve; requests that wait already keep their number"`
	// Default is what holds in a tenant that has decided nothing.
	Default int `json:"default" format:"int32"`
}

// ruleChange is what a request of [KindRule] would change.
type ruleChange struct {
	Kind string `json:"kind"`
	From int    `json:"from"`
	To   int    `json:"to"`
}

// AddRules registers the kind, after all others.
func (s *Service) AddRules() {
	s.Add(Kind{Name: KindRule, Title: "Change how many must approve", Needed: 1, Window: ruleWindow, Apply: s.applyRule})
}

// Rules returns how many must approve each kind, to those who may see requests of others.
func (s *Service) Rules(ctx context.Context, by actor.Principal) ([]Rule, error) {
	if !mayRead(by, &Request{}) {
		return nil, errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessApprove)
	}
	out := []Rule{}
	for _, k := range s.kinds {
		if k.Name == KindRule {
			continue
		}
		n, err := neededOf(ctx, s.o.DB.Read(ctx), by.TenantID, k)
		if err != nil {
			return nil, err
		}
		out = append(out, Rule{k.Name, k.Title, n, k.Needed})
	}
	slices.SortFunc(out, func(a, b Rule) int { return strings.Compare(a.Kind, b.Kind) })
	return out, nil
}

// ChangeRule asks for another number of approvals of a kind. As many people as it needs now must approve that. The error is Invalid for a number that nobody could reach: with it, it could not even be lowered any more.
func (s *Service) ChangeRule(ctx context.Context, by actor.Principal, kind string, needed int, reason string) (*Request, error) {
	if !by.Can(actor.AccessManage) {
		return nil, errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessManage)
	}
	k := s.kinds[kind]
	if k == nil || kind == KindRule {
		return nil, errs.New(errs.NotFound, "There is no such kind of request.")
	}
	now, err := neededOf(ctx, s.o.DB.Read(ctx), by.TenantID, k)
	if err != nil {
		return nil, err
	}
	if needed == now {
		return nil, errs.New(errs.Conflict, "It is so already.")
	}
	if err := s.reachable(ctx, by.TenantID, needed); err != nil {
		return nil, err
	}
	return s.Ask(ctx, by, KindRule, fmt.Sprintf("%s: %d in place of %d must approve", k.Title, needed, now), ruleChange{kind, now, needed}, reason)
}

// reachable refuses a number of approvals for which there are not people enough.
func (s *Service) reachable(ctx context.Context, tenantID string, needed int) error {
	if needed < 1 || needed > MaxNeeded {
		return errs.Field("/needed", "out_of_range", "Between 1 and %d people must approve.", MaxNeeded)
	}
	people, err := s.o.People.Approvers(ctx, tenantID)
	if err != nil {
		return err
	}
	if most := max(0, len(people)-1); needed > most {
		return errs.Field("/needed", "out_of_range", "%d may decide besides whoever asks, so that %d could never approve.", most, needed)
	}
	return nil
}

// applyRule changes a rule that others have approved.
func (s *Service) applyRule(ctx context.Context, r *Request, done Done) error {
	c, err := ruleOf(r.Change)
	if err != nil {
		return err
	}
	k := s.kinds[c.Kind]
	if k == nil {
		return errs.New(errs.Unavailable, "this server does not know approvals of the kind %q", c.Kind)
	}
	if err := s.reachable(ctx, r.TenantID, c.To); err != nil {
		return err
	}
	e := selfaudit.New(ctx, actor.System(r.TenantID), "access", "approval.rule_change", "update", event.Resource{Type: "approval_rule", ID: c.Kind, Name: k.Title})
	e.Severity, e.Reason = "high", r.Reason
	e.Changes = []event.Change{selfaudit.Change("/needed", c.From, c.To)}
	e.Data = []event.Member{selfaudit.Member("approval_id", r.ID), selfaudit.Member("requested_by", r.Behind)}
	return s.o.Recorder.Record(ctx, r.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		now, err := neededOf(ctx, tx, r.TenantID, k)
		if err != nil {
			return err
		}
		if now != c.From {
			return errs.New(errs.Forbidden, "The number was changed otherwise since this was asked for.")
		}
		if err := setNeeded(ctx, tx, r.TenantID, c.Kind, c.To, s.o.Now().UnixMicro()); err != nil {
			return err
		}
		return done(ctx, tx)
	})
}

func ruleOf(change json.RawMessage) (c ruleChange, err error) {
	if err = json.Unmarshal(change, &c); err != nil {
		err = errs.Wrap(errs.Invalid, err, "what was approved cannot be read")
	}
	return c, err
}

// needs is how many people must approve a request: of a change of a rule, as many as the rule asks for now.
func (s *Service) needs(ctx context.Context, q scope.Querier, tenantID string, k *Kind, change json.RawMessage) (int, error) {
	if k.Name == KindRule {
		c, err := ruleOf(change)
		if err != nil {
			return 0, err
		}
		if k = s.kinds[c.Kind]; k == nil {
			return 0, errs.New(errs.Internal, "there is no kind %q of approval", c.Kind)
		}
	}
	return neededOf(ctx, q, tenantID, k)
}

// neededOf is how many people must approve a kind in a tenant.
func neededOf(ctx context.Context, q scope.Querier, tenant string, k *Kind) (n int, err error) {
	err = scope.In(q, tenant).Row(ctx, `SELECT needed FROM approval_rule WHERE kind = $1 AND tenant_id = $2`, k.Name).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return k.Needed, nil
	}
	return n, sqldb.Translate(err)
}

func setNeeded(ctx context.Context, tx *sql.Tx, tenant, kind string, needed int, at int64) error {
	_, err := scope.In(tx, tenant).Exec(ctx, `INSERT INTO approval_rule (kind, needed, changed_at, tenant_id) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, kind) DO UPDATE SET needed = excluded.needed, changed_at = excluded.changed_at`, kind, needed, at)
	return err
}
