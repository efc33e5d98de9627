package sqldbtest

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"probity.dev/internal/sqldb/pgserver"
)

// Separate is a PostgreSQL database whose tables belong to one role while programs sign in as another.
type Separate struct {
	// Owner, App and Super are addresses of the database, for its owner, the application role and the superuser of the server.
	Owner, App, Super string
	// OwnerRole and AppRole are the names of the two roles.
	OwnerRole, AppRole string
}

// NewSeparate makes an empty database with two roles on a server, the one of this test process when it is nil. At the end of the test they are dropped.
func NewSeparate(t testing.TB, on *pgserver.Server) *Separate {
	t.Helper()
	s := &testServer{on}
	if on == nil {
		s = server(t)
	}
	shared.mu.Lock()
	shared.made++
	n := shared.made
	shared.mu.Unlock()
	name := fmt.Sprintf("separate_%d", n)
	out := &Separate{OwnerRole: fmt.Sprintf("owner_%d", n), AppRole: fmt.Sprintf("app-%d", n), Super: s.URL(name)} // a name that must be quoted
	out.Owner, out.App = as(t, out.Super, out.OwnerRole), as(t, out.Super, out.AppRole)
	run := func(statements ...string) {
		for _, statement := range statements {
			if err := s.run(context.Background(), statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	}
	run(`CREATE ROLE `+out.OwnerRole+` LOGIN`, `CREATE ROLE "`+out.AppRole+`" LOGIN`, `CREATE DATABASE `+name+` OWNER `+out.OwnerRole)
	if on == nil {
		t.Cleanup(func() {
			run(`DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`, `DROP ROLE `+out.OwnerRole, `DROP ROLE "`+out.AppRole+`"`)
		})
	}
	return out
}

// as is an address for another role.
func as(t testing.TB, address, role string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	return u.String()
}
