package access

import (
	"context"
	"database/sql"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/mileusna/useragent"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

const maxAgent = 300 // bytes that are looked at

// OpenSession is a session that has not ended, as its person and administrators see it.
type OpenSession struct {
	ID     string `json:"id" doc:"Names the session in the log; it cannot be used to sign in"`
	UserID string `json:"user_id"`
	Device string `json:"device" doc:"What the browser called itself when the session began"`
	// Address is personal, like Device.
	Address    string    `json:"address,omitempty" doc:"From where the session began"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at" doc:"Up to a minute late when it was on another server"`
	ExpiresAt  time.Time `json:"expires_at" doc:"When it ends at the latest"`
	Current    bool      `json:"current,omitempty" doc:"The one that asks"`
	Restricted bool      `json:"restricted,omitempty"`
}

// DeviceName says in words which browser on which system a User-Agent header claims to be.
func DeviceName(agent string) string {
	if agent == "" {
		return "Unknown device"
	}
	agent = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, agent)
	ua := useragent.Parse(agent[:min(len(agent), maxAgent)])
	name, system := ua.Name, ua.OS
	switch {
	case name == "" && system == "":
		return "Unknown device"
	case system == "":
		return name
	case name == "":
		return system
	}
	return name + " on " + strings.TrimSpace(system+" "+ua.Device)
}

// whose decides whether the caller may see and end the sessions of a user: their own, or everybody's with access.manage.
func whose(p actor.Principal, userID string) (string, error) {
	if userID == "" {
		userID = p.UserID
	}
	if userID == "" || userID != p.UserID {
		if err := mayManage(p); err != nil {
			return "", err
		}
	}
	if userID == "" {
		return "", errs.Field("query/user_id", "required", "Name the user; an API key has no sessions of its own.")
	}
	return userID, nil
}

// Sessions returns the sessions of a user, "" for the caller, that have not ended, newest first.
func (s *Service) Sessions(ctx context.Context, p actor.Principal, userID string) ([]OpenSession, error) {
	userID, err := whose(p, userID)
	if err != nil {
		return nil, err
	}
	q := in(s.o.DB.Read(ctx), p.TenantID)
	if _, err := q.account(ctx, userID); err != nil {
		return nil, err
	}
	rows, err := q.sessionsOf(ctx, userID)
	if err != nil {
		return nil, err
	}
	out := []OpenSession{}
	for _, row := range rows {
		if !s.lasts(row) {
			continue
		}
		address, err := s.unseal(ctx, row.tenant, "session|"+row.id+"|address", row.address)
		if err != nil {
			return nil, err
		}
		agent, err := s.unseal(ctx, row.tenant, "session|"+row.id+"|agent", row.agent)
		if err != nil {
			return nil, err
		}
		out = append(out, OpenSession{ID: row.id, UserID: row.account, Device: DeviceName(agent), Address: address, CreatedAt: time.UnixMicro(row.createdAt).UTC(),
			LastUsedAt: time.UnixMicro(max(row.lastSeenAt, s.lastSeen(row.id))).UTC(), ExpiresAt: time.UnixMicro(row.expiresAt).UTC(), Current: row.id == p.SessionID, Restricted: row.restricted.Valid})
	}
	return out, nil
}

// EndSession ends a session of the caller, or of anybody in the tenant with access.manage. NotFound says that there is none, or none that the caller may see.
func (s *Service) EndSession(ctx context.Context, p actor.Principal, id string) error {
	row, err := in(s.o.DB.Read(ctx), p.TenantID).session(ctx, id)
	if err != nil {
		return err
	}
	if _, err := whose(p, row.account); err != nil {
		return errs.New(errs.NotFound, "There is no such session.")
	}
	e, err := s.revocation(ctx, p, row.account, "one")
	if err != nil {
		return err
	}
	e.Resource = event.Resource{Type: "session", ID: id}
	return s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		return in(tx, p.TenantID).revokeSession(ctx, id, row.account)
	})
}

// EndSessions ends every session of a user, "" for the caller, but the one that asks.
func (s *Service) EndSessions(ctx context.Context, p actor.Principal, userID string) error {
	userID, err := whose(p, userID)
	if err != nil {
		return err
	}
	e, err := s.revocation(ctx, p, userID, "all others")
	if err != nil {
		return err
	}
	return s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		return in(tx, p.TenantID).deleteSessions(ctx, userID, p.SessionID)
	})
}

func (s *Service) revocation(ctx context.Context, p actor.Principal, userID, which string) (*event.Event, error) {
	a, err := in(s.o.DB.Read(ctx), p.TenantID).account(ctx, userID)
	if err != nil {
		return nil, err
	}
	u, err := s.open(ctx, a)
	if err != nil {
		return nil, err
	}
	e := aboutUser(newEvent(ctx, actionSessionRevoke, "auth", "revoke", p), u)
	e.Data = []event.Member{selfaudit.Member("sessions", which)}
	return e, nil
}

type userQuery struct {
	UserID string `query:"user_id" maxLength:"64" doc:"Whose, which needs access.manage; one's own when left out"`
}

type sessionListResponse struct {
	Body struct {
		Items []OpenSession `json:"items"`
	} `nameHint:"SessionList"`
}

func (s *Service) registerSessions(a *api.API) {
	huma.Register(a, api.Op("list-sessions", "GET /api/sessions", "List sessions", api.Errors(403, 404), api.Describe("One's own, or a user's with access.manage.")),
		func(ctx context.Context, r *userQuery) (*sessionListResponse, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			out := &sessionListResponse{}
			out.Body.Items, err = s.Sessions(ctx, p, r.UserID)
			return out, err
		})
	huma.Register(a, api.Op("end-session", "DELETE /api/sessions/{id}", "End a session", api.Status(http.StatusNoContent), api.Errors(404), api.Describe("One's own, or anybody's with access.manage. It ends at once on every server.")),
		func(ctx context.Context, r *oneID) (*struct{}, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			return nil, s.EndSession(ctx, p, r.ID)
		})
	huma.Register(a, api.Op("end-sessions", "DELETE /api/sessions", "End all other sessions", api.Status(http.StatusNoContent), api.Errors(403, 404), api.Describe("Of oneself, or all of a user's with access.manage; the one that asks goes on.")),
		func(ctx context.Context, r *userQuery) (*struct{}, error) {
			p, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			return nil, s.EndSessions(ctx, p, r.UserID)
		})
}
