package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"probity.dev/internal/actor"
	"probity.dev/internal/config"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/internal/tlog"
)

// pseudonym differs from tenant to tenant.
var pseudonym = regexp.MustCompile(`u_[0-9a-f]{12}`)

// shown reads all events of a tenant by source and id, without what the log adds.
func shown(t *testing.T, a *App, p actor.Principal) map[string]string {
	t.Helper()
	var b struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(newCaller(t, a).answer(t, p, "GET", "/api/events?limit=200", "")), &b); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range b.Items {
		for _, name := range []string{"seq", "recorded_at", "leaf_hash"} {
			delete(e, name)
		}
		for _, name := range []string{"actor", "resource", "subject"} {
			if m, ok := e[name].(map[string]any); ok {
				delete(m, "handle")
			}
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		out[e["source"].(string)+" "+e["id"].(string)] = pseudonym.ReplaceAllString(string(text), "PSEUDONYM")
	}
	return out
}

// TestArchiveAndImport archives a tenant and reads the archive back elsewhere: every event is as it was, to one who may see everything and to one who may not.
func TestArchiveAndImport(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		ctx := context.Background()
		s := newSite(t)
		admin := actor.System(s.tenant)
		s.c.answer(t, admin, "POST", "/api/custom-fields", `{"name":"ward","type":"string","personal":false}`)
		for _, e := range []string{
			`{"id":"1","source":"clinic","action":"patient.update","occurred_at":"2026-01-02T03:04:05.123456Z","actor":{"id":"ana","name":"Ana Lima","email":"ana@example.org","on_behalf_of":[{"type":"user","id":"bob","name":"Bob"}]},"resource":{"type":"patient","id":"P-1","name":"Pat"},"subject":{"type":"patient","id":"P-1"},"changes":[{"path":"/a","before":null,"after":1.50},{"path":"/b","op":"remove","before":"x"}],"context":{"ip":"192.0.2.7","geo":{"lat":1.0}},"outcome":{"status":"denied","reason":"no"},"severity":"high","custom":{"ward":"3a"},"reason":"why","correlation_id":"c-1","data":{"z":1,"a":{"b":[1,2]},"u":"\u00e9"}}`,
			`{"id":"2","source":"clinic","action":"visit.create","data":{"room":"17-B","beds":2},"subject":{"type":"patient","id":"P-1"},"personal":["/data/room"]}`,
			`{"id":"2","source":"other","action":"thing.delete","strange":{"x":1},"actor":{"type":"system","id":"cron","shift":"night"}}`,
		} {
			s.c.answer(t, admin, "POST", "/api/events", e)
		}
		s.settled(t, true)
		before, masked := shown(t, s.App, admin), shown(t, s.App, Operator(s.tenant, true))
		var file bytes.Buffer
		m, err := s.Archive(ctx, Operator(s.tenant, false), &file, nil)
		if err != nil || m.Events < 5 {
			t.Fatalf("%+v %v", m, err)
		}
		if _, err := s.Archive(ctx, Operator(s.tenant, true), io.Discard, nil); err == nil {
			t.Error("somebody who may not see values made an archive")
		}
		path := filepath.Join(t.TempDir(), "a.zip")
		if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		into := newSite(t, func(c *config.Config) { c.InstanceName = "elsewhere.example" })
		o, err := OpenArchive(path)
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		keys, err := tlog.ParseKeys(strings.Join(o.Keys, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		verified, err := into.VerifyArchive(ctx, o, keys)
		if err != nil {
			t.Fatal(err)
		}
		r, err := into.ImportArchive(ctx, into.tenant, verified, false, nil)
		if err != nil || r.Rejected != 0 || r.Duplicates != 0 || r.Accepted != r.Read {
			t.Fatalf("%+v %v", r, err)
		}
		for what, x := range map[string]struct{ want, got map[string]string }{
			"in clear": {before, shown(t, into.App, actor.System(into.tenant))}, "masked": {masked, shown(t, into.App, Operator(into.tenant, true))},
		} {
			for id, want := range x.want {
				if got := x.got[id]; got != want && !strings.Contains(want, `"action":"search.`) {
					t.Errorf("%s, %s:\n%s\n%s", what, id, want, got)
				}
			}
		}
		if err := verified.Discard(); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(into.cfg.Data, "import-*")); len(left) > 0 {
			t.Errorf("values in clear are left in the data directory: %v", left)
		}
		into.settled(t, false)
		if _, err := into.ImportArchive(ctx, into.tenant, verified, false, nil); err == nil {
			t.Error("imported into a tenant that holds events")
		}
	})
}
