package role

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"probity.dev/access/scope"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// scoped is the statements of one tenant, and the only way to the tables but for the look at what has ended in any tenant (see sweep.go).
type scoped struct {
	scope.Queries
	q scope.Querier
}

func in(q scope.Querier, tenant string) scoped { return scoped{scope.In(q, tenant), q} }

func (s scoped) scan(ctx context.Context, dest []any, query string) error {
	return sqldb.Translate(s.Row(ctx, query).Scan(dest...))
}

func collect[T any](ctx context.Context, s scoped, scan func(scope.Scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := s.Rows(ctx, query, args...)
	return scope.Collect(rows, err, scan)
}

// bump begins a change: it counts the version up and returns it. The row is locked until the transaction ends, so that changes of a tenant follow one another and each sees what the one before it did.
func (s scoped) bump(ctx context.Context) (version int64, err error) {
	if _, err := s.Exec(ctx, `INSERT INTO access_version (version, tenant_id) VALUES (0, $1) ON CONFLICT (tenant_id) DO NOTHING`); err != nil {
		return 0, err
	}
	err = s.scan(ctx, []any{&version}, `UPDATE access_version SET version = version + 1 WHERE tenant_id = $1 RETURNING version`)
	return version, err
}

// mark is what changes whenever something changes that the index of a tenant is made of.
type mark struct {
	version, locked, lockedLast, strays int64
}

func (s scoped) mark(ctx context.Context) (m mark, err error) {
	err = s.scan(ctx, []any{&m.version, &m.locked, &m.lockedLast, &m.strays}, `SELECT COALESCE((SELECT version FROM access_version WHERE tenant_id = $1), 0),
		(SELECT COUNT(*) FROM account WHERE tenant_id = $1 AND locked_at IS NOT NULL), COALESCE((SELECT MAX(locked_at) FROM account WHERE tenant_id = $1 AND locked_at IS NOT NULL), 0),
		(SELECT COUNT(*) FROM account WHERE tenant_id = $1 AND role_seen <> role)`)
	return m, err
}

func (s scoped) ownPermissions(ctx context.Context) ([]Permission, error) {
	return collect(ctx, s, func(r scope.Scanner) (p Permission, err error) {
		err = r.Scan(&p.Key, &p.Description, &p.Sensitivity)
		return p, err
	}, `SELECT key, description, sensitivity FROM access_permission WHERE gone_in IS NULL AND tenant_id = $1 ORDER BY key`)
}

// permissionsAt returns the tenant's own permissions that there were at a version, as they are described now.
func (s scoped) permissionsAt(ctx context.Context, version int64) ([]Permission, error) {
	return collect(ctx, s, func(r scope.Scanner) (p Permission, err error) {
		err = r.Scan(&p.Key, &p.Description, &p.Sensitivity)
		return p, err
	}, `SELECT key, description, sensitivity FROM access_permission WHERE made_in <= $1 AND (gone_in IS NULL OR gone_in > $1) AND tenant_id = $2 ORDER BY key`, version)
}

func (s scoped) putPermission(ctx context.Context, p Permission, version int64) error {
	n, err := s.Exec(ctx, `UPDATE access_permission SET description = $1, sensitivity = $2 WHERE key = $3 AND gone_in IS NULL AND tenant_id = $4`, p.Description, string(p.Sensitivity), p.Key)
	if err != nil || n > 0 {
		return err
	}
	_, err = s.Exec(ctx, `INSERT INTO access_permission (key, made_in, description, sensitivity, tenant_id) VALUES ($1, $2, $3, $4, $5)`, p.Key, version, p.Description, string(p.Sensitivity))
	return err
}

func (s scoped) deletePermission(ctx context.Context, key string, version int64) error {
	_, err := s.Exec(ctx, `UPDATE access_permission SET gone_in = $1 WHERE key = $2 AND gone_in IS NULL AND tenant_id = $3`, version, key)
	return err
}

// accounts returns the tenant's people: their ids by the hash of their address.
func (s scoped) accounts(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	_, err := collect(ctx, s, func(r scope.Scanner) (_ struct{}, err error) {
		var id string
		var index []byte
		err = r.Scan(&id, &index)
		out[string(index)] = id
		return struct{}{}, err
	}, `SELECT id, email_index FROM account WHERE tenant_id = $1`)
	return out, err
}

const roleColumns = `id, name, description, permissions, sensitivity, copied_from, created_at, updated_at`

func scanRole(rows scope.Scanner) (*Role, error) {
	r := &Role{}
	var permissions string
	var created, updated int64
	err := rows.Scan(&r.ID, &r.Name, &r.Description, &permissions, &r.raised, &r.CopiedFrom, &created, &updated)
	r.CreatedAt, r.UpdatedAt = stamp(created), stamp(updated)
	if permissions != "" {
		r.Permissions = strings.Split(permissions, ",")
	}
	return r, err
}

func (s scoped) roles(ctx context.Context) ([]*Role, error) {
	return collect(ctx, s, scanRole, `SELECT `+roleColumns+` FROM access_role WHERE latest = 1 AND deleted = 0 AND tenant_id = $1 ORDER BY created_at, id`)
}

// rolesAt returns the tenant's roles as they were at a version.
func (s scoped) rolesAt(ctx context.Context, version int64) ([]*Role, error) {
	return collect(ctx, s, scanRole, `SELECT `+roleColumns+` FROM access_role r WHERE r.deleted = 0 AND r.version <= $1
		AND NOT EXISTS (SELECT 1 FROM access_role later WHERE later.tenant_id = r.tenant_id AND later.id = r.id AND later.version > r.version AND later.version <= $1) AND r.tenant_id = $2`, version)
}

// putRole writes the state of a role from a version on.
func (s scoped) putRole(ctx context.Context, r *Role, version int64, deleted bool) error {
	if _, err := s.Exec(ctx, `UPDATE access_role SET latest = 0 WHERE id = $1 AND latest = 1 AND tenant_id = $2`, r.ID); err != nil {
		return err
	}
	gone := 0
	if deleted {
		gone = 1
	}
	_, err := s.Exec(ctx, `INSERT INTO access_role (id, version, latest, name, description, permissions, sensitivity, copied_from, deleted, created_at, updated_at, tenant_id)
		VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, r.ID, version, r.Name, r.Description, strings.Join(r.Permissions, ","), string(r.raised), r.CopiedFrom, gone,
		r.CreatedAt.UnixMicro(), r.UpdatedAt.UnixMicro())
	return err
}

const assignmentColumns = `id, account_id, role_id, scope_kind, scope_value, granted_by, granted_at, granted_in, expires_at, reason, ended_at, ended_in, ended_by, ended`

// assignmentRow is an assignment with its reason as stored.
type assignmentRow struct {
	Assignment
	sealed []byte
}

func scanAssignment(rows scope.Scanner) (*assignmentRow, error) {
	a := &assignmentRow{}
	var granted int64
	var expires, ended, endedIn sql.NullInt64
	var by, how sql.NullString
	err := rows.Scan(&a.ID, &a.UserID, &a.RoleID, &a.Scope.Kind, &a.Scope.Value, &a.GrantedBy, &granted, &a.grantedIn, &expires, &a.sealed, &ended, &endedIn, &by, &how)
	a.GrantedAt, a.EndedBy, a.Ended, a.endedIn = time.UnixMicro(granted).UTC(), by.String, how.String, endedIn.Int64
	if expires.Valid {
		a.ExpiresAt = stamp(expires.Int64)
	}
	if ended.Valid {
		a.EndedAt = stamp(ended.Int64)
	}
	return a, err
}

// running returns what has not ended, which may have expired.
func (s scoped) running(ctx context.Context) ([]*assignmentRow, error) {
	return collect(ctx, s, scanAssignment, `SELECT `+assignmentColumns+` FROM role_assignment WHERE ended_at IS NULL AND tenant_id = $1 ORDER BY granted_at, id`)
}

func (s scoped) runningOf(ctx context.Context, user string) ([]*assignmentRow, error) {
	return collect(ctx, s, scanAssignment, `SELECT `+assignmentColumns+` FROM role_assignment WHERE ended_at IS NULL AND account_id = $1 AND tenant_id = $2 ORDER BY granted_at, id`, user)
}

// assignmentsAt returns what a person had been given at a version; some of it may have expired by then.
func (s scoped) assignmentsAt(ctx context.Context, user string, version int64) ([]*assignmentRow, error) {
	return collect(ctx, s, scanAssignment, `SELECT `+assignmentColumns+` FROM role_assignment WHERE account_id = $1 AND granted_in <= $2 AND (ended_in IS NULL OR ended_in > $2) AND tenant_id = $3
		ORDER BY granted_at, id`, user, version)
}

// filter of a list of assignments; empty members match all.
type filter struct {
	user, role, after string
	ended             bool
	limit             int
}

func (s scoped) list(ctx context.Context, f filter) ([]*assignmentRow, error) {
	if !storable(f.user) || !storable(f.role) || !storable(f.after) {
		return nil, nil
	}
	all := 0
	if f.ended {
		all = 1
	}
	return collect(ctx, s, scanAssignment, `SELECT `+assignmentColumns+` FROM role_assignment
		WHERE ($1 = '' OR account_id = $1) AND ($2 = '' OR role_id = $2) AND ($3 = 1 OR ended_at IS NULL) AND ($4 = '' OR id > $4) AND tenant_id = $5 ORDER BY id LIMIT `+strconv.Itoa(f.limit), f.user, f.role, all, f.after)
}

func (s scoped) insert(ctx context.Context, a *assignmentRow) error {
	var n int
	if err := s.scan(ctx, []any{&n}, `SELECT COUNT(*) FROM role_assignment WHERE ended_at IS NULL AND tenant_id = $1`); err != nil {
		return err
	}
	if n >= MaxAssignments {
		return errs.New(errs.TooLarge, "A tenant may have %d assignments.", MaxAssignments)
	}
	_, err := s.Exec(ctx, `INSERT INTO role_assignment (id, account_id, role_id, scope_kind, scope_value, granted_by, granted_at, granted_in, expires_at, reason, tenant_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, a.ID, a.UserID, a.RoleID, a.Scope.Kind, a.Scope.Value, a.GrantedBy, a.GrantedAt.UnixMicro(), a.grantedIn, micros(a.ExpiresAt), a.sealed)
	return err
}

// end ends an assignment that has not ended.
func (s scoped) end(ctx context.Context, id, by, how string, at time.Time, version int64) error {
	n, err := s.Exec(ctx, `UPDATE role_assignment SET ended_at = $1, ended_in = $2, ended_by = $3, ended = $4 WHERE id = $5 AND ended_at IS NULL AND tenant_id = $6`, at.UnixMicro(), version, by, how, id)
	if err == nil && n == 0 {
		return errs.New(errs.Conflict, "The assignment was ended by somebody else at the same time.")
	}
	return err
}

// person is what of an account matters here.
type person struct {
	id, role, seen string
	locked         bool
}

func (s scoped) person(ctx context.Context, id string) (person, error) {
	if !storable(id) {
		return person{}, errs.New(errs.NotFound, "There is no such user.")
	}
	list, err := collect(ctx, s, scanPerson, `SELECT id, role, role_seen, locked_at IS NOT NULL FROM account WHERE id = $1 AND tenant_id = $2`, id)
	if err == nil && len(list) == 0 {
		return person{}, errs.New(errs.NotFound, "There is no such user.")
	}
	if err != nil {
		return person{}, err
	}
	return list[0], nil
}

func scanPerson(r scope.Scanner) (p person, err error) {
	err = r.Scan(&p.id, &p.role, &p.seen, &p.locked)
	return p, err
}

func (s scoped) strays(ctx context.Context) ([]person, error) {
	return collect(ctx, s, scanPerson, `SELECT id, role, role_seen, locked_at IS NOT NULL FROM account WHERE role_seen <> role AND tenant_id = $1`)
}

func (s scoped) locked(ctx context.Context) ([]string, error) {
	return collect(ctx, s, func(r scope.Scanner) (id string, err error) { err = r.Scan(&id); return id, err }, `SELECT id FROM account WHERE locked_at IS NOT NULL AND tenant_id = $1`)
}

// setRole keeps the column that servers of earlier versions read.
func (s scoped) setRole(ctx context.Context, user, role string) error {
	_, err := s.Exec(ctx, `UPDATE account SET role = $1, role_seen = $1 WHERE id = $2 AND (role <> $1 OR role_seen <> $1) AND tenant_id = $3`, role, user)
	return err
}

// keepers counts the people who can sign in and hold one of the roles that may do everything, everywhere and for good.
func (s scoped) keepers(ctx context.Context) (n int, err error) {
	err = s.scan(ctx, []any{&n}, `SELECT COUNT(*) FROM role_assignment r JOIN account a ON a.id = r.account_id AND a.tenant_id = r.tenant_id
		WHERE r.role_id IN ('owner', 'admin') AND r.scope_kind = 'tenant' AND r.ended_at IS NULL AND r.expires_at IS NULL AND a.locked_at IS NULL AND r.tenant_id = $1`)
	return n, err
}

// made is who made an API key, "" when that was the system, and when it ends.
type made struct {
	by    string
	until sql.NullInt64
}

func (s scoped) madeKey(ctx context.Context, key string) (made, error) {
	list, err := collect(ctx, s, func(r scope.Scanner) (m made, err error) { err = r.Scan(&m.by, &m.until); return m, err },
		`SELECT COALESCE(created_by, ''), expires_at FROM api_key WHERE id = $1 AND tenant_id = $2`, key)
	if err != nil || len(list) == 0 {
		return made{}, err
	}
	return list[0], nil
}

// storable reports whether a database can hold a text at all: PostgreSQL takes it for a mistake to ask for others.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func stamp(micro int64) *time.Time {
	t := time.UnixMicro(micro).UTC()
	return &t
}

func micros(t *time.Time) sql.NullInt64 {
	if t == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: true}
}
