package decision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// way counts the changes of how decisions are made from the same roles, rules and facts.
const way = "1"

// engine stands for the part of a decision that belongs to the program: the way of deciding, and what built-in roles hold by default.
var engine = func() string {
	var b strings.Builder
	b.WriteString(way)
	for _, id := range actor.Roles() {
		b.WriteString("\n" + id + " " + strings.Join(actor.RolePermissions(id), " "))
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:8])
}()

// Replayed is a decision as it was recorded, and as it is made now from what was in force then.
type Replayed struct {
	ID         string     `json:"evaluation_id"`
	At         time.Time  `json:"evaluated_at"`
	Seq        uint64     `json:"seq" doc:"Where in the log it is recorded"`
	Decision   bool       `json:"decision"`
	Reasons    []Reason   `json:"reasons"`
	Policy     policyMark `json:"policy"`
	InputHash  string     `json:"input_sha256"`
	Input      *Request   `json:"input,omitempty" doc:"What was asked; left out for those who do not see personal values, and where the person was erased"`
	Replay     bool       `json:"replayed" doc:"It could be made again"`
	Same       bool       `json:"same" doc:"Made again, it says the same for the same reasons"`
	Again      *bool      `json:"decision_again,omitempty"`
	WhyAgain   []Reason   `json:"reasons_again,omitempty"`
	Difference string     `json:"difference,omitempty" doc:"Why it could not be made again, or what is different"`
}

// Replay returns a decision and makes it again.
func (s *Service) Replay(ctx context.Context, p actor.Principal, id string) (*Replayed, error) {
	if !p.Can(actor.DecisionsView) {
		return nil, errs.New(errs.Forbidden, "This needs the permission %s.", actor.DecisionsView)
	}
	r, err := s.o.Source.Decision(ctx, p.TenantID, id)
	if err != nil {
		return nil, err
	}
	if r.Action != actionDecision {
		return nil, errs.New(errs.NotFound, "There is no such decision.")
	}
	out := &Replayed{ID: id, At: r.OccurredAt, Seq: r.Seq, InputHash: r.Text("/data/input_sha256"), Decision: r.Text("/data/allow") == "true"}
	out.Policy.Engine = r.Text("/data/policy/engine")
	reasons, _ := r.Field("/data/reasons")
	if err := errors.Join(json.Unmarshal(reasons.Value, &out.Reasons), number(r, "/data/policy/roles", &out.Policy.Roles), number(r, "/data/policy/rules", &out.Policy.Rules)); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a decision cannot be read")
	}
	f := facts{User: r.Text("/subject/id"), Locked: r.Text("/data/locked") == "true", At: r.OccurredAt}
	var input Request
	text := r.Text("/data/input")
	switch {
	case text == "":
		out.Difference = "what was asked has been erased"
		return out, nil
	case json.Unmarshal([]byte(text), &input) != nil || fingerprint(&input) != out.InputHash:
		out.Difference = "what was asked is not what its hash says"
		return out, nil
	}
	if p.Unmasked() {
		out.Input = &input
	}
	if out.Policy.Engine != engine {
		out.Difference = "the program's built-in roles or its way of deciding have changed since"
		return out, nil
	}
	return out, s.again(ctx, p.TenantID, &input, f, out)
}

func (s *Service) again(ctx context.Context, tenant string, input *Request, f facts, out *Replayed) error {
	x, err := s.o.Roles.At(ctx, tenant, out.Policy.Roles, f.User)
	if err != nil {
		return err
	}
	c, err := s.policyAt(ctx, tenant, out.Policy.Roles)
	if err != nil {
		return err
	}
	result := evaluate(x, c, f, input)
	out.Replay, out.Again, out.WhyAgain = true, &result.Allow, result.Reasons
	out.Same = result.Allow == out.Decision && fingerprint(result.Reasons) == fingerprint(out.Reasons)
	if !out.Same {
		out.Difference = "made again, it is another decision"
	}
	return nil
}

func number(r *event.Record, path string, into *int64) (err error) {
	*into, err = strconv.ParseInt(r.Text(path), 10, 64)
	return err
}
