package scim

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"probity.dev/access/scope"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// record is what is kept of an account or a group beside its account.
type record struct {
	id       string
	resource resource
	version  int64
	created  time.Time // of a group
	changed  time.Time
	gone     bool
}

func (s *Service) key(tenant, kind, value string) string {
	if value == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(s.o.Index("scim|" + kind + "|" + tenant + "|" + value))
}

func (s *Service) seal(ctx context.Context, tenant, label string, r resource) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return s.o.Sealer.Seal(ctx, tenant, label, b)
}

func (s *Service) unseal(ctx context.Context, tenant, label string, sealed []byte) (resource, error) {
	b, err := s.o.Sealer.Unseal(ctx, tenant, label, sealed)
	r := resource{}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "what a directory said cannot be read")
	}
	return r, nil
}

// users returns what the directory has said of accounts, by account.
func (s *Service) users(ctx context.Context, tenant string) (map[string]record, error) {
	rows, err := scope.In(s.o.DB.Read(ctx), tenant).Rows(ctx, `SELECT account_id, resource, version, changed_at, gone_at FROM scim_user WHERE tenant_id = $1`)
	all, err := scope.Collect(rows, err, func(r scope.Scanner) (record, error) { return s.scanUser(ctx, tenant, r) })
	out := make(map[string]record, len(all))
	for _, x := range all {
		out[x.id] = x
	}
	return out, err
}

func (s *Service) scanUser(ctx context.Context, tenant string, r scope.Scanner) (x record, err error) {
	var sealed []byte
	var changed, gone int64
	if err := r.Scan(&x.id, &sealed, &x.version, &changed, &gone); err != nil {
		return x, err
	}
	x.changed, x.gone = scope.Time(changed), gone != 0
	x.resource, err = s.unseal(ctx, tenant, "scim_user|"+x.id, sealed)
	return x, err
}

var errPrecondition = &fault{412, "", "The resource was changed meanwhile; read it again."}

// putUser stores what the directory says of an account, unless somebody else did meanwhile.
func (s *Service) putUser(ctx context.Context, q scope.Querier, tenant string, x record) error {
	sealed, err := s.seal(ctx, tenant, "scim_user|"+x.id, x.resource)
	if err != nil {
		return err
	}
	name, external := s.key(tenant, "user", strings.ToLower(str(x.resource["userName"]))), s.key(tenant, "external", str(x.resource["externalId"]))
	gone := int64(0)
	if x.gone {
		gone = x.changed.UnixMicro()
	}
	t := scope.In(q, tenant)
	if x.version > 0 {
		return t.Must(ctx, errPrecondition, `UPDATE scim_user SET user_name = $1, external_id = $2, resource = $3, version = version + 1, changed_at = $4, gone_at = $5 WHERE account_id = $6 AND version = $7 AND tenant_id = $8`,
			name, external, sealed, x.changed.UnixMicro(), gone, x.id, x.version)
	}
	_, err = t.Exec(ctx, `INSERT INTO scim_user (account_id, user_name, external_id, resource, version, changed_at, gone_at, tenant_id) VALUES ($1, $2, $3, $4, 1, $5, $6, $7)`, x.id, name, external, sealed, x.changed.UnixMicro(), gone)
	return err
}

func (s *Service) scanGroup(ctx context.Context, tenant string) func(scope.Scanner) (record, error) {
	return func(r scope.Scanner) (x record, err error) {
		var sealed []byte
		var created, changed int64
		if err := r.Scan(&x.id, &sealed, &x.version, &created, &changed); err != nil {
			return x, scope.Scanned(err, "There is no such group.")
		}
		x.created, x.changed = scope.Time(created), scope.Time(changed)
		x.resource, err = s.unseal(ctx, tenant, "scim_group|"+x.id, sealed)
		return x, err
	}
}

func (s *Service) groups(ctx context.Context, tenant string) ([]record, error) {
	rows, err := scope.In(s.o.DB.Read(ctx), tenant).Rows(ctx, `SELECT id, resource, version, created_at, changed_at FROM scim_group WHERE tenant_id = $1 ORDER BY created_at, id`)
	return scope.Collect(rows, err, s.scanGroup(ctx, tenant))
}

func (s *Service) group(ctx context.Context, tenant, id string) (record, error) {
	return s.scanGroup(ctx, tenant)(scope.In(s.o.DB.Read(ctx), tenant).Row(ctx, `SELECT id, resource, version, created_at, changed_at FROM scim_group WHERE id = $1 AND tenant_id = $2`, id))
}

// membership is who is in which group.
type membership struct{ group, account string }

func (s *Service) memberships(ctx context.Context, tenant string) ([]membership, error) {
	rows, err := scope.In(s.o.DB.Read(ctx), tenant).Rows(ctx, `SELECT group_id, account_id FROM scim_member WHERE tenant_id = $1 ORDER BY group_id, account_id`)
	return scope.Collect(rows, err, func(r scope.Scanner) (m membership, err error) { return m, r.Scan(&m.group, &m.account) })
}

// putGroup stores a group with its members, unless somebody else did meanwhile.
func (s *Service) putGroup(ctx context.Context, tx *sql.Tx, tenant string, x record, members []string) error {
	sealed, err := s.seal(ctx, tenant, "scim_group|"+x.id, x.resource)
	if err != nil {
		return err
	}
	t := scope.In(tx, tenant)
	name := s.key(tenant, "group", strings.ToLower(str(x.resource["displayName"])))
	var taken int
	if err := t.Row(ctx, `SELECT COUNT(*) FROM scim_group WHERE name = $1 AND id <> $2 AND tenant_id = $3`, name, x.id).Scan(&taken); err != nil {
		return sqldb.Translate(err)
	}
	if taken > 0 {
		return &fault{409, "uniqueness", "There is a group of this name."}
	}
	if x.version > 0 {
		err = t.Must(ctx, errPrecondition, `UPDATE scim_group SET name = $1, resource = $2, version = version + 1, changed_at = $3 WHERE id = $4 AND version = $5 AND tenant_id = $6`, name, sealed, x.changed.UnixMicro(), x.id, x.version)
	} else {
		_, err = t.Exec(ctx, `INSERT INTO scim_group (id, name, resource, version, created_at, changed_at, tenant_id) VALUES ($1, $2, $3, 1, $4, $5, $6)`, x.id, name, sealed, x.created.UnixMicro(), x.changed.UnixMicro())
	}
	if err != nil {
		return err
	}
	if _, err := t.Exec(ctx, `DELETE FROM scim_member WHERE group_id = $1 AND tenant_id = $2`, x.id); err != nil {
		return err
	}
	for _, m := range members {
		if _, err := t.Exec(ctx, `INSERT INTO scim_member (group_id, account_id, tenant_id) VALUES ($1, $2, $3)`, x.id, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) deleteGroup(ctx context.Context, tx *sql.Tx, tenant, id string) error {
	t := scope.In(tx, tenant)
	if _, err := t.Exec(ctx, `DELETE FROM scim_member WHERE group_id = $1 AND tenant_id = $2`, id); err != nil {
		return err
	}
	return t.Must(ctx, errNoGroup, `DELETE FROM scim_group WHERE id = $1 AND tenant_id = $2`, id)
}

var (
	errNoGroup = &fault{404, "", "There is no such group."}
	errNoUser  = &fault{404, "", "There is no such user."}
)
