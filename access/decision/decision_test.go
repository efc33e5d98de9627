package decision

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/event"
)

// keeper stands for the ledger.
type keeper struct {
	mu     sync.Mutex
	events []*event.Event
	fail   error
}

func (k *keeper) RecordAll(_ context.Context, _ string, events []*event.Event, _ func(context.Context, *sql.Tx) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	for _, e := range events {
		if err := e.Normalise(time.Now()); err != nil {
			return err
		}
	}
	k.events = append(k.events, events...)
	return nil
}

func (k *keeper) Record(ctx context.Context, tenant string, e *event.Event, _ func(context.Context, *sql.Tx) error) error {
	return k.RecordAll(ctx, tenant, []*event.Event{e}, nil)
}

func (k *keeper) set(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = err
}

func (k *keeper) count(action string) (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.events {
		if e.Action == action {
			n++
		}
	}
	return n
}

// newService returns a service over a tenant with people who have a role each.
func newService(t testing.TB, people int) (*Service, *keeper) {
	t.Helper()
	db := sqldbtest.Open(t)
	kms, err := crypt.CreateFileKMS(filepath.Join(t.TempDir(), "master.json"))
	if err != nil {
		t.Fatal(err)
	}
	keys, wrapped, err := crypt.NewTenant(t.Context(), kms, "acme")
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `INSERT INTO tenant (id, no, name, keyset, created_at) VALUES ('acme', 1, 'ACME', $1, $2)`, wrapped, sqldb.Now())
		roles := actor.Roles()
		for i := range people {
			id := fmt.Sprintf("u%d", i)
			_, a := tx.ExecContext(t.Context(), `INSERT INTO account (id, tenant_id, email_index, email, name, role, role_seen, password_hash, created_at) VALUES ($1, 'acme', $2, $3, $3, 'x', 'x', '', 1)`, id, []byte(id), []byte("x"))
			_, b := tx.ExecContext(t.Context(), `INSERT INTO role_assignment (tenant_id, id, account_id, role_id, scope_kind, scope_value, granted_by, granted_at, granted_in) VALUES ('acme', $1, $1, $2, 'tenant', '', 'system', 1, 1)`,
				id, roles[i%len(roles)])
			err = errors.Join(err, a, b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{}
	tenantKeys := func(context.Context, string) (*crypt.Tenant, error) { return keys, nil }
	return New(Options{DB: db, Roles: role.New(role.Options{DB: db, Recorder: k, TenantKeys: tenantKeys}), Recorder: k, TenantKeys: tenantKeys, AddressIndex: func(a string) []byte { return []byte(a) }}), k
}

var asker = actor.Principal{TenantID: "acme", KeyID: "k", Permissions: []string{actor.DecisionsEvaluate}}

func approve(user string) *Request {
	return &Request{Subject: Subject{Type: "user", ID: user}, Action: Action{Name: actor.RiskApproveOrders}, Resource: Resource{Type: "order", ID: "7"}}
}

// TestAFullQueueIsCounted lets the log take nothing: answers are given all the same, and what finds no room is counted in an event.
func TestAFullQueueIsCounted(t *testing.T) {
	s, k := newService(t, 20)
	s.queue.c = make(chan waiting, 8)
	k.set(errs.New(errs.Unavailable, "no"))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	const asked = 100
	for range asked {
		if _, err := s.Evaluate(t.Context(), asker, approve("u10")); err != nil {
			t.Fatal(err)
		}
	}
	k.set(nil)
	for deadline := time.Now().Add(10 * time.Second); k.count(actionLost) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the gap was not counted")
		}
	}
	cancel()
	running.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	lost, kept := 0, 0
	for _, e := range k.events {
		switch e.Action {
		case actionDecision:
			kept++
		case actionLost:
			var n int
			if _, err := fmt.Sscan(string(e.Data[0].Value), &n); err != nil {
				t.Fatal(err)
			}
			lost += n
		}
	}
	if kept == 0 || lost == 0 || kept+lost != asked {
		t.Errorf("%d are recorded and %d counted of %d", kept, lost, asked)
	}
}

// TestOneBadEventCostsNoOther has an event among others that cannot be recorded.
func TestOneBadEventCostsNoOther(t *testing.T) {
	s, k := newService(t, 1)
	bad := &event.Event{Source: "probity"} // without an action
	good := func() *event.Event { return &event.Event{Source: "probity", Action: actionDecision} }
	for _, e := range []*event.Event{good(), bad, good()} {
		s.queue.put("acme", e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Run(ctx)
	if k.count(actionDecision) != 2 || k.count(actionLost) != 1 {
		t.Errorf("%d recorded, %d gaps", k.count(actionDecision), k.count(actionLost))
	}
}

// BenchmarkEvaluate decides in a tenant with 10,000 assignments, and reports the 99th percentile of the time that an answer takes, its event queued.
func BenchmarkEvaluate(b *testing.B) {
	s, _ := newService(b, 10_000)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go s.Run(ctx)
	if _, err := s.Evaluate(ctx, asker, approve("u10")); err != nil {
		b.Fatal(err)
	}
	took := make([]time.Duration, 0, b.N)
	for i := 0; b.Loop(); i++ {
		r := approve(fmt.Sprintf("u%d", i*7919%10_000))
		began := time.Now()
		if _, err := s.Evaluate(ctx, asker, r); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
	b.ReportMetric(float64(took[len(took)-1].Nanoseconds()), "max-ns")
}
