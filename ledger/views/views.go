package views

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// View is a saved search of one user.
type View struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Query     string    `json:"query" doc:"the search as the console's query string"`
	CreatedAt time.Time `json:"created_at"`
}

// Sealer encrypts under a tenant's key.
type Sealer interface {
	Seal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
	Unseal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
}

// Store keeps views. A user sees their own only.
type Store struct {
	DB     *sqldb.DB
	Sealer Sealer
}

// maxViews bounds the views of one user.
const maxViews = 100

type content struct {
	Name  string `json:"name"`
	Query string `json:"query"`
}

// List returns a user's views, oldest first.
func (s *Store) List(ctx context.Context, tenantID, owner string) ([]View, error) {
	rows, err := s.DB.Read(ctx).QueryContext(ctx, `SELECT id, body, created_at FROM saved_view WHERE tenant_id = $1 AND owner_id = $2 ORDER BY created_at, id`, tenantID, owner)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	out := []View{}
	for rows.Next() {
		var v View
		var body []byte
		var at int64
		if err := rows.Scan(&v.ID, &body, &at); err != nil {
			return nil, err
		}
		plain, err := s.Sealer.Unseal(ctx, tenantID, "view|"+v.ID, body)
		if err != nil {
			return nil, err
		}
		var c content
		if err := json.Unmarshal(plain, &c); err != nil {
			return nil, err
		}
		v.Name, v.Query, v.CreatedAt = c.Name, c.Query, time.UnixMicro(at).UTC()
		out = append(out, v)
	}
	return out, sqldb.Translate(rows.Err())
}

// Add saves a view.
func (s *Store) Add(ctx context.Context, tenantID, owner, name, query string) (View, error) {
	if name == "" || len(name) > 200 || len(query) > 8000 {
		return View{}, errs.Field("/name", "invalid", "a view has a name of 1 to 200 bytes and a query of at most 8,000")
	}
	have, err := s.List(ctx, tenantID, owner)
	if err != nil {
		return View{}, err
	}
	if len(have) >= maxViews {
		return View{}, errs.New(errs.Conflict, "you have %d saved views; delete one first", maxViews)
	}
	v := View{ID: uuid.NewString(), Name: name, Query: query, CreatedAt: time.Now().UTC().Truncate(time.Microsecond)}
	plain, err := json.Marshal(content{name, query})
	if err != nil {
		return View{}, err
	}
	body, err := s.Sealer.Seal(ctx, tenantID, "view|"+v.ID, plain)
	if err != nil {
		return View{}, err
	}
	return v, s.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO saved_view (tenant_id, id, owner_id, body, created_at) VALUES ($1, $2, $3, $4, $5)`, tenantID, v.ID, owner, body, v.CreatedAt.UnixMicro())
		return sqldb.Translate(err)
	})
}

// Delete removes a user's view.
func (s *Store) Delete(ctx context.Context, tenantID, owner, id string) error {
	return s.DB.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM saved_view WHERE tenant_id = $1 AND owner_id = $2 AND id = $3`, tenantID, owner, id)
		if err != nil {
			return sqldb.Translate(err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errs.New(errs.NotFound, "there is no such view")
		}
		return nil
	})
}
