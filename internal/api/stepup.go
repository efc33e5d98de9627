package api

import (
	"context"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// StepUpPolicy says when a person has to prove anew who they are before something grave is done (mission row G2).
type StepUpPolicy struct {
	// Within is how long a proof counts.
	Within time.Duration
	// Ways returns how a person can give one, best first.
	Ways func(ctx context.Context, p actor.Principal) ([]string, error)
	// Now replaces the clock in tests; may be nil.
	Now func() time.Time
}

const stepUpText = "A person must have signed in or stepped up (`POST /api/session/step-up`) in this session in the last minutes; otherwise the answer is 401 with the type `…#problem-step_up_required` and the `ways` to do so. " +
	"API keys cannot step up and do not need to: whoever made one has, and its scopes say what it may do."

// StepUp lets a person use the operation only soon after they have proved who they are in the same session. API keys and the server itself are let through.
func StepUp() Option { return func(_ *huma.Operation, r *Rule) { r.StepUp = true } }

// WhileRestricted lets sessions use the operation that may hardly do anything else.
func WhileRestricted() Option { return func(_ *huma.Operation, r *Rule) { r.Restricted = true } }

// NeedStepUp is [StepUp] for an operation that needs it only for some of its requests. It returns nil outside of a request.
func NeedStepUp(ctx context.Context) error {
	req := requestFrom(ctx)
	if req == nil || req.stepUp == nil || req.caller.UserID == "" {
		return nil
	}
	policy, now := req.stepUp, time.Now
	if policy.Now != nil {
		now = policy.Now
	}
	if at := req.caller.SteppedUpAt; !at.IsZero() && now().Sub(at) < policy.Within {
		return nil
	}
	ways, err := policy.Ways(ctx, req.caller)
	if err != nil {
		return err
	}
	return &errs.Error{Code: errs.Unauthorized, Kind: errs.StepUpRequired, Ways: ways, Message: "This needs a proof of who you are that is at most " + minutes(policy.Within) + " old."}
}

func minutes(d time.Duration) string {
	if n := int(d.Minutes()); n != 1 && d >= time.Minute {
		return strconv.Itoa(n) + " minutes"
	}
	return d.Truncate(time.Second).String()
}

// stepUpSchema is the name of the problem in the API's description.
const stepUpSchema = "StepUpProblem"

// stepUpProblem describes the problem that asks for a proof: a Problem whose ways are there and known.
func stepUpProblem() map[string]any {
	return map[string]any{"description": "The answer 401 when the person has to prove anew who they are: do so in one of the `ways` (`POST /api/session/step-up`), then send the request again as it was.",
		"allOf": []any{map[string]any{"$ref": "#/components/schemas/Problem"}, map[string]any{"type": "object", "required": []any{"type", "code", "ways"}, "properties": map[string]any{
			"type": map[string]any{"type": "string", "const": problemType(errs.StepUpRequired)},
			"ways": map[string]any{"type": "array", "description": "How this person can, best first; `password` only where there is no second factor. The members to send are `passkey`, `code` (for totp and recovery_code) and `password`",
				"items": map[string]any{"type": "string", "enum": []any{"passkey", "totp", "recovery_code", "password"}}},
		}}}}
}

// describeStepUp says of an operation's answer 401 that it may be that problem.
func describeStepUp(responses map[string]any) {
	if responses == nil {
		return
	}
	ref := func(name string) map[string]any { return map[string]any{"$ref": "#/components/schemas/" + name} }
	responses["401"] = map[string]any{"description": "Nobody is signed in, or a person has to prove anew who they are (`ways` says how)",
		"content": map[string]any{"application/problem+json": map[string]any{"schema": map[string]any{"anyOf": []any{ref(stepUpSchema), ref("Problem")}},
			"example": map[string]any{"type": problemType(errs.StepUpRequired), "title": kinds[errs.StepUpRequired].title, "status": 401, "code": "unauthorized", "detail": "This needs a proof of who you are that is at most 5 minutes old.", "ways": []any{"passkey", "recovery_code"}}}}}
}
