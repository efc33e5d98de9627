package sqldb

import (
	"context"
	"slices"
	"strings"

	"probity.dev/internal/errs"
)

// Standing is how a database stands to this program.
type Standing struct {
	Kind string `json:"kind"` // sqlite or postgres
	// Version is the newest migration that was applied, 0 for none; Own the newest of this program; Compatible the oldest schema whose programs may work on the database, 0 where that is not written down.
	Version    int64 `json:"version"`
	Own        int64 `json:"own"`
	Compatible int64 `json:"compatible"`
	// Pending are the migrations of this program that the database lacks.
	Pending []Migration `json:"pending"`
	// Role is whom the address signs in, Owner who owns the tables (on an empty database, the same), IsOwner whether the one has the rights of the other. They are empty on SQLite.
	Role    string `json:"role,omitempty"`
	Owner   string `json:"owner,omitempty"`
	IsOwner bool   `json:"is_owner"`
	// AppRoles are the roles with the rights of an application; the role that was signed in too, where it is not the owner.
	AppRoles []RoleRights `json:"app_roles"`

	window window
}

// Standing reads how the database stands to this program, and changes nothing.
func (db *DB) Standing(ctx context.Context) (*Standing, error) {
	all, err := steps(db.folder())
	if err != nil {
		return nil, err
	}
	s := &Standing{Kind: "sqlite", Own: all[len(all)-1].Version, Pending: []Migration{}, IsOwner: true, AppRoles: []RoleRights{}}
	if db.pg != nil {
		if err := s.readRoles(ctx, db); err != nil {
			return nil, err
		}
		if !s.IsOwner && s.cannotRead() {
			return s, nil
		}
	}
	if s.window, err = readWindow(ctx, db.read, db.pg != nil); err != nil {
		return nil, err
	}
	s.Version, s.Compatible = s.window.newest(), s.window.Compatible
	if s.Version <= s.Own {
		s.Pending = append(s.Pending, s.window.pending(all)...)
	}
	return s, nil
}

// cannotRead reports whether the role may not even read which migrations were applied.
func (s *Standing) cannotRead() bool {
	return len(s.AppRoles) > 0 && (slices.Contains(s.AppRoles[0].Missing, "SELECT on goose_db_version") || slices.Contains(s.AppRoles[0].Missing, "SELECT on schema_window"))
}

func (s *Standing) readRoles(ctx context.Context, db *DB) error {
	s.Kind = "postgres"
	if err := db.read.QueryRowContext(ctx, `SELECT current_user`).Scan(&s.Role); err != nil {
		return Translate(err)
	}
	c, err := readCatalogue(ctx, db.read)
	if err != nil {
		return err
	}
	if c == nil { // nothing there, or nothing that may be seen: the owner is who may make it
		s.Owner = s.Role
		err := db.read.QueryRowContext(ctx, `SELECT COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false)`).Scan(&s.IsOwner)
		return Translate(err)
	}
	s.Owner = c.owner
	if err := db.read.QueryRowContext(ctx, `SELECT pg_has_role($1::text::regrole, 'USAGE')`, quoted(c.owner)).Scan(&s.IsOwner); err != nil {
		return Translate(err)
	}
	roles, err := c.appRoles(ctx, db.read)
	if err != nil {
		return err
	}
	if !s.IsOwner {
		roles = append([]string{s.Role}, slices.DeleteFunc(roles, func(r string) bool { return r == s.Role })...)
	}
	for _, role := range roles {
		r, err := c.rightsOf(ctx, db.read, role)
		if err != nil {
			return err
		}
		s.AppRoles = append(s.AppRoles, r)
	}
	return nil
}

// Problem says why this program cannot work on the database as it is, and what to do about it; nil when it can, or when its role is the owner, who can migrate.
func (s *Standing) Problem() error {
	const apply = "run probity migrate apply with the address of the database's owner"
	if s.Version > s.Own { // the rights are those that its own program asks for
		return s.window.admits(s.Own)
	}
	switch {
	case s.IsOwner:
		return nil
	case len(s.AppRoles) == 0:
		return errs.New(errs.Unavailable, "the database has no schema, or none that the role %s may use, and the role may not make one: %s and --app-role %s", s.Role, apply, s.Role)
	}
	missing := s.AppRoles[0].Missing
	if !s.cannotRead() && (len(s.Pending) > 0 || s.window.Version != s.Own) {
		return errs.New(errs.Unavailable, "the database has schema version %d, this program needs %d, and the role %s may not change it: %s, before the program is replaced", s.Version, s.Own, s.Role, apply)
	}
	if len(missing) > 0 {
		return errs.New(errs.Unavailable, "the role %s lacks rights on the database (%s): %s and --app-role %s", s.Role, some(missing), apply, s.Role)
	}
	return nil
}

// some names the first few of many.
func some(list []string) string {
	const most = 5
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:most], ", ") + ", …"
}

// Prepare makes the database ready for this program: its owner migrates it, any other role finds out whether it can work with what is there. The error says what is missing and how to repair it.
func (db *DB) Prepare(ctx context.Context) (*Standing, error) {
	s, err := db.Standing(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Problem(); err != nil {
		return s, err
	}
	if s.IsOwner {
		_, _, err = db.Migrate(ctx)
		return s, err
	}
	db.pg.ready.Store(true)
	return s, nil
}

// CheckRole refuses, on PostgreSQL, a role that does not exist or that no grant keeps from anything: a superuser, and whoever is or may become the owner.
func (db *DB) CheckRole(ctx context.Context, role string) error {
	if db.pg == nil {
		return errs.New(errs.Invalid, "SQLite has no roles: whoever may write the file may do everything")
	}
	c, err := readCatalogue(ctx, db.read)
	if err != nil {
		return err
	}
	if c == nil {
		c = &catalogue{}
		if err := db.read.QueryRowContext(ctx, `SELECT current_user`).Scan(&c.owner); err != nil {
			return Translate(err)
		}
	}
	return c.checkRole(ctx, db.read, role)
}

// Grants returns the statements that give a role the rights of the application role, on the tables that there are now.
func (db *DB) Grants(ctx context.Context, role string) ([]string, error) {
	c, err := db.roleFor(ctx, role)
	if err != nil {
		return nil, err
	}
	return c.grants(role), nil
}

// Grant gives a role the rights of the application role and takes any other right on these tables from it. The role must exist.
func (db *DB) Grant(ctx context.Context, role string) error {
	c, err := db.roleFor(ctx, role)
	if err != nil {
		return err
	}
	var owner bool
	if err := db.read.QueryRowContext(ctx, `SELECT pg_has_role($1::text::regrole, 'USAGE')`, quoted(c.owner)).Scan(&owner); err != nil {
		return Translate(err)
	}
	if !owner { // PostgreSQL would only warn
		return errs.New(errs.Unavailable, "the tables belong to %s, who alone can give rights on them: run the command with the address of the database's owner", c.owner)
	}
	return c.grant(ctx, db.write, role)
}

func (db *DB) roleFor(ctx context.Context, role string) (*catalogue, error) {
	if err := db.CheckRole(ctx, role); err != nil {
		return nil, err
	}
	c, err := readCatalogue(ctx, db.read)
	if err == nil && c == nil {
		err = errs.New(errs.Conflict, "the database has no schema yet: run probity migrate apply first")
	}
	return c, err
}
