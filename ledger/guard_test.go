package ledger_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
)

// guarded is a database whose owner has given an application role its rights.
type guarded struct {
	*sqldbtest.Separate
	dir string
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{sqldbtest.NewSeparate(t, nil), t.TempDir()}
	owner, err := sqldb.OpenPostgres(t.Context(), g.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	if _, err := owner.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := owner.Grant(t.Context(), g.AppRole); err != nil {
		t.Fatal(err)
	}
	return g
}

// open opens a ledger that signs in at an address.
func (g *guarded) open(t *testing.T, address string, change ...func(*ledger.Options)) *ledgertest.Box {
	t.Helper()
	db, err := sqldb.OpenPostgres(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ledgertest.OpenOn(t, g.dir, db, change...)
}

func (g *guarded) connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // tables are changed under the statements
	config.RuntimeParams["probity.tenant"] = "*"        // row-level security is no hindrance to whoever has the role: he sets whose rows he touches himself
	c, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func rarely(o *ledger.Options) { o.CheckpointInterval, o.SealAfter = time.Hour, 24*time.Hour }
func late(o *ledger.Options)   { o.SealAfter = 24 * time.Hour }

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
	}
}

func published(t *testing.T, b *ledgertest.Box, tenant string, size uint64) {
	t.Helper()
	until(t, "a checkpoint", func() bool {
		h, err := b.Head(context.Background(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		return h.Published >= size
	})
}

func many(from, n int) (texts []string) {
	for i := from; i < from+n; i++ {
		texts = append(texts, numbered(i))
	}
	return texts
}

// TestSealingAsApplication seals ranges of every kind as the application role: within a tile, over its end, a whole block, and what is left of it.
func TestSealingAsApplication(t *testing.T) {
	g := newGuarded(t)
	b := g.open(t, g.App, late)
	ctx := context.Background()
	n := 0
	for _, add := range []int{3, 100, 153, 1, 600, 65_000, 1000} {
		for left := add; left > 0; left -= 1000 {
			b.Append(t, many(n, min(left, 1000))...)
			n += min(left, 1000)
		}
		published(t, b, ledgertest.Tenant, uint64(n))
		if add == 600 {
			continue // so that nothing but 857 to 65,536 is left of the block
		}
		if err := b.Seal(ctx, ledgertest.Tenant, time.Now().Add(time.Hour)); err != nil {
			t.Fatalf("after %d events: %v", n, err)
		}
	}
	super := g.connect(t, g.Super)
	var hot, segments, sealed int
	if err := super.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM hot_evidence), (SELECT COUNT(*) FROM segment), sealed FROM log`).Scan(&hot, &segments, &sealed); err != nil || hot != 0 || sealed != n || segments != 7 {
		t.Errorf("%d hot rows and %d segments, sealed up to %d of %d (%v)", hot, segments, sealed, n, err)
	}
	b.Stop(t)
	b = g.open(t, g.App, late)
	for _, seq := range []uint64{0, 102, 103, 256, 65_535, 65_536, uint64(n) - 1} {
		if _, err := b.Prove(ctx, ledgertest.Tenant, seq, nil); err != nil {
			t.Errorf("seq %d: %v", seq, err)
		}
	}
}

// TestBlockAsApplication seals one whole block, whose root is that of a full tile of the level above.
func TestBlockAsApplication(t *testing.T) {
	g := newGuarded(t)
	b := g.open(t, g.App, late)
	for n := 0; n < 66_000; n += 1000 {
		b.Append(t, many(n, 1000)...)
	}
	published(t, b, ledgertest.Tenant, 65_536)
	if err := b.Seal(t.Context(), ledgertest.Tenant, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	var sealed int
	if err := g.connect(t, g.Super).QueryRow(t.Context(), `SELECT sealed FROM log`).Scan(&sealed); err != nil || sealed != 65_536 {
		t.Errorf("sealed up to %d (%v)", sealed, err)
	}
}

// TestTreeRoot compares the database's root of hashes with the ledger's.
func TestTreeRoot(t *testing.T) {
	c := newGuarded(t).connectSuper(t)
	var hashes []tlog.Hash
	var flat []byte
	for n := 1; n <= 300; n++ {
		h := tlog.LeafHash(fmt.Append(nil, n))
		hashes, flat = append(hashes, h), append(flat, h[:]...)
		if n > 20 && n < 250 && n%17 != 0 {
			continue
		}
		var got []byte
		want := tlog.MTH(hashes)
		if err := c.QueryRow(t.Context(), `SELECT tree_root($1)`, flat).Scan(&got); err != nil || string(got) != string(want[:]) {
			t.Errorf("the root of %d hashes is %x, not %x (%v)", n, got, want, err)
		}
	}
}

func (g *guarded) connectSuper(t *testing.T) *pgx.Conn { return g.connect(t, g.Super) }

// digests are those of all rows of every table.
func digests(t *testing.T, super *pgx.Conn) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, table := range column(t, super, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`) {
		out[table] = strings.Join(column(t, super, `SELECT COUNT(*) || ' ' || COALESCE(md5(string_agg(t::text, E'\n' ORDER BY t::text)), '') FROM `+table+` AS t`), "")
	}
	return out
}

func column(t *testing.T, c *pgx.Conn, query string, args ...any) []string {
	t.Helper()
	rows, err := c.Query(context.Background(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

// attack is what somebody with the password of the application role tries. The logs a and b have checkpoints for 300 events, and a has 50 more; c has none.
type attack struct {
	*guarded
	super, app *pgx.Conn
	a, b, c    string
	before     map[string]string
	tried      int
	said       string // in the last refusal
}

func newAttack(t *testing.T) *attack {
	t.Helper()
	x := &attack{guarded: newGuarded(t)}
	ctx := context.Background()
	box := x.open(t, x.App, late)
	other, err := box.CreateTenant(ctx, "t-other", "Other")
	if err != nil {
		t.Fatal(err)
	}
	add := func(box *ledgertest.Box, tenant string, from, n int) {
		var list []ledger.Item
		for _, text := range many(from, n) {
			e, err := event.Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, ledger.Item{Event: e})
		}
		if r, err := box.Ledger.Append(ctx, tenant, list, ledger.AppendOptions{}); err != nil || r.Accepted != n {
			t.Fatal(err)
		}
	}
	for _, tenant := range []string{ledgertest.Tenant, other.ID} {
		add(box, tenant, 0, 100)
		add(box, tenant, 100, 200)
		published(t, box, tenant, 300)
	}
	x.a, x.b = box.Info.LogID, other.LogID
	box.Stop(t)
	x.super, x.app = x.connect(t, x.Super), x.connect(t, x.App)
	signed := column(t, x.super, `SELECT checkpoint FROM log WHERE log_id = $1`, x.a)[0]
	box = x.open(t, x.App, rarely)
	third, err := box.CreateTenant(ctx, "t-third", "Third")
	if err != nil {
		t.Fatal(err)
	}
	x.c = third.LogID
	add(box, ledgertest.Tenant, 300, 50)
	add(box, third.ID, 0, 100)
	box.Stop(t)
	// A ledger signs before it ends; what it has signed last is taken back.
	if _, err := x.super.Exec(ctx, `UPDATE log SET published = 300, checkpoint = $2 WHERE log_id = $1`, x.a, signed); err != nil {
		t.Fatal(err)
	}
	if _, err := x.super.Exec(ctx, `UPDATE log SET published = 0, checkpoint = '' WHERE log_id = $1`, x.c); err != nil {
		t.Fatal(err)
	}
	for log, want := range map[string]string{x.a: "350 300", x.b: "300 300", x.c: "100 0"} {
		if got := column(t, x.super, `SELECT size || ' ' || published FROM log WHERE log_id = $1`, log); got[0] != want {
			t.Fatalf("size and published size are %s, want %s", got[0], want)
		}
	}
	x.before = digests(t, x.super)
	return x
}

// refused demands that the application role cannot do something, and that nothing comes of it. The statements run in one transaction; all but the last must be possible.
func (x *attack) refused(t *testing.T, statements ...string) {
	t.Helper()
	x.tried++
	ctx := context.Background()
	tx, err := x.app.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range statements {
		_, err = tx.Exec(ctx, s)
		if err != nil && i < len(statements)-1 {
			t.Errorf("%s: %v", s, err)
			break
		}
	}
	last := statements[len(statements)-1]
	x.said = fmt.Sprint(err)
	if err == nil {
		t.Errorf("the application role could do this: %s", last)
	} else if state := stateOf(err); state != "42501" && state != "PB001" && state != "0A000" {
		t.Errorf("%s: %v", last, err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
}

func stateOf(err error) string {
	if pe, ok := err.(*pgconn.PgError); ok { //nolint:errorlint // what is wrapped is none
		return pe.Code
	}
	return ""
}

func TestApplicationRoleCannotTakeAnythingAway(t *testing.T) {
	x := newAttack(t)
	x.changes(t)
	x.definitions(t)
	x.heads(t)
	x.escalation(t)
	x.sealing(t)
	t.Logf("%d attempts", x.tried)
	if x.tried < 200 {
		t.Errorf("only %d attempts", x.tried)
	}
	after := digests(t, x.super)
	if !maps.Equal(after, x.before) {
		t.Errorf("something has changed:\n%v\n%v", x.before, after)
	}
	x.replay(t)
	b := x.open(t, x.App, late)
	if got := len(all(t, b, ledger.Query{})); got != 350 {
		t.Errorf("%d of 350 events are left", got)
	}
	published(t, b, ledgertest.Tenant, 350)
	for seq := range uint64(350) {
		if _, err := b.Prove(t.Context(), ledgertest.Tenant, seq, nil); err != nil {
			t.Fatalf("seq %d: %v", seq, err)
		}
	}
}

// changes tries to change and remove rows of every table in which the role may not.
func (x *attack) changes(t *testing.T) {
	for _, r := range sqldb.Rights() {
		if slices.Contains(r.Rights, "DELETE") {
			continue
		}
		if r.Table == "log" || r.Table == "hot_evidence" || r.Table == "tile" { // nothing may be tested on an empty table alone
			if got := column(t, x.super, `SELECT COUNT(*)::text FROM `+r.Table); got[0] == "0" {
				t.Errorf("%s is empty", r.Table)
			}
		}
		for _, c := range column(t, x.super, `SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, r.Table) {
			if !slices.Contains(r.Columns, c) {
				x.refused(t, `UPDATE `+r.Table+` SET `+c+` = `+c)
			}
		}
		for _, how := range []string{`DELETE FROM %s`, `DELETE FROM %s WHERE false`, `WITH gone AS (DELETE FROM %s RETURNING *) SELECT COUNT(*) FROM gone`, `MERGE INTO %s USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE`} {
			x.refused(t, fmt.Sprintf(how, r.Table))
		}
		if !slices.Contains(r.Rights, "INSERT") {
			x.refused(t, `INSERT INTO `+r.Table+` SELECT * FROM `+r.Table)
		} else if r.Columns == nil {
			x.refused(t, `LOCK TABLE `+r.Table+` IN ACCESS EXCLUSIVE MODE`)
			x.refused(t, `SELECT * FROM `+r.Table+` FOR UPDATE`)
		}
	}
	x.refused(t, `INSERT INTO hot_evidence SELECT * FROM hot_evidence ON CONFLICT (log_id, first_seq) DO UPDATE SET body = ''`)
	x.refused(t, `INSERT INTO tile SELECT * FROM tile ON CONFLICT (log_id, epoch, level, idx) DO UPDATE SET body = ''`)
}

// definitions tries to change the tables themselves, what guards them, and the functions.
func (x *attack) definitions(t *testing.T) {
	role := pgx.Identifier{x.AppRole}.Sanitize()
	for _, table := range column(t, x.super, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`) {
		for _, how := range []string{`TRUNCATE %s`, `TRUNCATE %s CASCADE`, `DROP TABLE %s`, `DROP TABLE %s CASCADE`, `ALTER TABLE %s ADD COLUMN more TEXT`, `ALTER TABLE %s RENAME TO other`, `ALTER TABLE %s DISABLE TRIGGER ALL`,
			`ALTER TABLE %s OWNER TO ` + role, `CREATE RULE aside AS ON INSERT TO %s DO INSTEAD NOTHING`, `CREATE TRIGGER mine BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
			`ALTER TABLE %s ENABLE ROW LEVEL SECURITY`, `ALTER TABLE %s SET SCHEMA pg_temp`} {
			x.refused(t, fmt.Sprintf(how, table))
		}
	}
	for _, statement := range []string{`DROP TRIGGER hot_evidence_stays ON hot_evidence`, `DROP TRIGGER log_grows ON log`, `DROP INDEX hot_evidence_pkey`, `ALTER FUNCTION seal_hot(text, bigint) RESET search_path`,
		`ALTER FUNCTION seal_hot(text, bigint) SECURITY INVOKER`, `DROP FUNCTION seal_hot(text, bigint)`, `DROP FUNCTION signed_size(log) CASCADE`,
		`CREATE OR REPLACE FUNCTION signed_size(l log) RETURNS BIGINT LANGUAGE sql AS 'SELECT 1000::bigint'`, `CREATE OR REPLACE FUNCTION tree_root(hashes BYTEA) RETURNS BYTEA LANGUAGE sql AS 'SELECT NULL::bytea'`,
		`CREATE TABLE public.mine (id BIGINT)`, `CREATE FUNCTION public.sha256(BYTEA) RETURNS BYTEA LANGUAGE sql AS 'SELECT $1'`, `CREATE SCHEMA mine`, `DROP SCHEMA public CASCADE`, `ALTER SCHEMA public RENAME TO other`} {
		x.refused(t, statement)
	}
}

// heads tries to move a log in other ways than growing.
func (x *attack) heads(t *testing.T) {
	origin := `instance || '/' || log_id || '/' || epoch || E'\n'`
	for _, set := range []string{`size = 0`, `size = size - 1`, `root = sha256('x')`, `recorded_at = 0`, `published = 0`, `published = 0, checkpoint = ''`, `checkpoint = ''`, `published = 350`, `published = size + 1`,
		`published = 350, checkpoint = replace(checkpoint, E'\n300\n', E'\n351\n')`, `checkpoint = 'x' || checkpoint`, `published = 350, checkpoint = ` + origin + ` || '35'`} {
		x.refused(t, `UPDATE log SET `+set+` WHERE log_id = '`+x.a+`'`)
	}
}

// escalation tries to become somebody else, or to get rights.
func (x *attack) escalation(t *testing.T) {
	role := pgx.Identifier{x.AppRole}.Sanitize()
	for _, statement := range []string{`SET ROLE ` + x.OwnerRole, `SET SESSION AUTHORIZATION ` + x.OwnerRole, `SET session_replication_role = replica`, `GRANT ` + x.OwnerRole + ` TO ` + role, `ALTER ROLE ` + role + ` SUPERUSER`,
		`ALTER DATABASE ` + x.app.Config().Database + ` OWNER TO ` + role, `COPY hot_evidence FROM PROGRAM 'true'`, `COPY hot_evidence TO '/tmp/evidence'`, `CREATE EXTENSION plperlu`, `CREATE ROLE other SUPERUSER`} {
		x.refused(t, statement)
	}
	// A role without the right to grant is only warned.
	x.refused(t, `GRANT ALL ON ALL TABLES IN SCHEMA public TO `+role, `DELETE FROM hot_evidence`)
	x.refused(t, `ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC`, `TRUNCATE tile`)
}

// segmentOf is a statement that stores a segment row, with the root that the SQL expression gives.
func segmentOf(log string, first, count int, root string) string {
	return fmt.Sprintf(`INSERT INTO segment (log_id, first_seq, count, evidence_path, evidence_sha256, evidence_bytes, working_path, working_first, working_count, working_sha256, working_bytes, root, min_recorded, max_recorded,
		min_occurred, max_occurred, sealed_at) VALUES ('%s', %d, %d, 'e', '', 0, 'w', 0, 0, '', 0, %s, 0, 0, 0, 0, 0)`, log, first, count, root)
}

// rootOf is an SQL expression for the right root of a range.
func rootOf(log string, first, count int) string {
	return fmt.Sprintf(`(SELECT tree_root(stored_leaves(log_id, epoch, base, size, %d, %d)) FROM log WHERE log_id = '%s')`, first, first+count, log)
}

func sealOf(log string, first int) string {
	return fmt.Sprintf(`SELECT seal_hot('%s', %d)`, log, first)
}

// unsealed demands that the sealing function refuses for a reason.
func (x *attack) unsealed(t *testing.T, why string, statements ...string) {
	t.Helper()
	x.refused(t, statements...)
	if !strings.Contains(x.said, why) {
		t.Errorf("%s: %s, not because %s", statements[len(statements)-1], x.said, why)
	}
}

// sealing tries to have rows removed that are not sealed.
func (x *attack) sealing(t *testing.T) {
	right := rootOf(x.a, 0, 300)
	const root, cover, none = "does not have the root", "no signed checkpoint", "no segment"
	x.unsealed(t, none, sealOf(x.a, 0))
	x.unsealed(t, "there is no log", sealOf("nosuch", 0))
	x.unsealed(t, root, segmentOf(x.a, 0, 300, `sha256('x')`), sealOf(x.a, 0))
	x.unsealed(t, root, segmentOf(x.a, 0, 300, `''`), sealOf(x.a, 0))
	x.unsealed(t, root, segmentOf(x.a, 0, 300, rootOf(x.a, 0, 299)), sealOf(x.a, 0))
	x.unsealed(t, root, segmentOf(x.a, 0, 300, rootOf(x.b, 0, 300)), sealOf(x.a, 0))
	x.unsealed(t, none, segmentOf(x.b, 0, 300, right), sealOf(x.a, 0))
	x.unsealed(t, root, segmentOf(x.b, 0, 300, right), sealOf(x.b, 0))
	x.unsealed(t, cover, segmentOf(x.a, 0, 350, rootOf(x.a, 0, 350)), sealOf(x.a, 0))
	x.unsealed(t, cover, segmentOf(x.c, 0, 100, rootOf(x.c, 0, 100)), sealOf(x.c, 0))
	x.unsealed(t, "sealed up to seq 0", segmentOf(x.a, 100, 200, rootOf(x.a, 100, 200)), sealOf(x.a, 100))
	x.unsealed(t, "hold 100 events", segmentOf(x.a, 0, 150, rootOf(x.a, 0, 150)), sealOf(x.a, 0)) // the end lies within a row
	x.unsealed(t, cover, segmentOf(x.a, 0, 0, right), sealOf(x.a, 0))
	x.unsealed(t, cover, segmentOf(x.a, 0, -1, right), sealOf(x.a, 0))
	x.unsealed(t, cover, segmentOf(x.a, 0, 1000, right), sealOf(x.a, 0))
	x.unsealed(t, cover, segmentOf(x.a, 0, 65_536, right), sealOf(x.a, 0))
	x.unsealed(t, cover, segmentOf(x.a, 0, 9_223_372_036_854_775_807, right), sealOf(x.a, 0))
	x.unsealed(t, "sealed up to seq 0", segmentOf(x.a, -1, 301, right), sealOf(x.a, -1))
	// A checkpoint that a key of another log has signed, and one that nobody has.
	claim := `UPDATE log SET published = 100, checkpoint = %s WHERE log_id = '` + x.c + `'`
	x.unsealed(t, cover, fmt.Sprintf(claim, `(SELECT replace(replace(l.checkpoint, l.log_id, '`+x.c+`'), E'\n300\n', E'\n100\n') FROM log AS l WHERE l.log_id = '`+x.a+`')`),
		segmentOf(x.c, 0, 100, rootOf(x.c, 0, 100)), sealOf(x.c, 0))
	x.unsealed(t, cover, fmt.Sprintf(claim, `instance || '/' || log_id || '/' || epoch || E'\n100\n' || encode(root, 'base64') || E'\n'`), segmentOf(x.c, 0, 100, rootOf(x.c, 0, 100)), sealOf(x.c, 0))
	// Tables and functions of one's own under the names that the function uses.
	x.unsealed(t, none, `SET LOCAL search_path = pg_temp, public`, `CREATE TEMP TABLE segment ON COMMIT DROP AS SELECT * FROM public.segment`, `CREATE TEMP TABLE log ON COMMIT DROP AS SELECT * FROM public.log`,
		`CREATE FUNCTION pg_temp.signed_size(l public.log) RETURNS BIGINT LANGUAGE sql AS 'SELECT 1000::bigint'`, `CREATE FUNCTION pg_temp.tree_root(BYTEA) RETURNS BYTEA LANGUAGE sql AS 'SELECT sha256(''x'')'`,
		segmentOf(x.c, 0, 100, `sha256('x')`), `SELECT public.seal_hot('`+x.c+`', 0)`)
	x.refused(t, segmentOf(x.a, 0, 300, right), sealOf(x.a, 0), `DELETE FROM hot_evidence`) // what is possible stays undone with the rest
}

// replay seals once, as it should be, and then tries it again.
func (x *attack) replay(t *testing.T) {
	ctx := context.Background()
	tx, err := x.app.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, segmentOf(x.b, 0, 300, rootOf(x.b, 0, 300))); err != nil {
		t.Error(err)
	}
	var n int
	if err := tx.QueryRow(ctx, sealOf(x.b, 0)).Scan(&n); err != nil || n != 300 {
		t.Errorf("%d events were sealed (%v)", n, err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	left := strings.Join(column(t, x.super, `SELECT log_id || first_seq FROM hot_evidence ORDER BY 1`), " ")
	x.refused(t, sealOf(x.b, 0))
	x.refused(t, `INSERT INTO hot_evidence (log_id, first_seq, count, body) SELECT '`+x.b+`', 0, 300, ''`, `INSERT INTO hot_working (log_id, first_seq, count, recorded_at, body) SELECT '`+x.b+`', 0, 300, 0, ''`, sealOf(x.b, 0))
	x.refused(t, `DELETE FROM segment`)
	if got := strings.Join(column(t, x.super, `SELECT log_id || first_seq FROM hot_evidence ORDER BY 1`), " "); got != left || strings.Contains(got, x.b) || !strings.Contains(got, x.a) {
		t.Errorf("hot rows before and after: %s; %s", left, got)
	}
}

// TestOwnerDoesNotChangeEvidenceByMistake holds for set-ups with one role, too.
func TestOwnerDoesNotChangeEvidenceByMistake(t *testing.T) {
	g := newGuarded(t)
	owner := g.connect(t, g.Owner)
	for _, statement := range []string{`UPDATE hot_evidence SET count = count`, `TRUNCATE hot_evidence`, `UPDATE tile SET body = body`, `DELETE FROM tile`, `TRUNCATE tile`, `UPDATE segment SET root = root`, `UPDATE segment SET count = count`} {
		if _, err := owner.Exec(t.Context(), statement); stateOf(err) != "PB001" {
			t.Errorf("%s: %v", statement, err)
		}
	}
}
