package access

import (
	"context"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
)

func TestRotateKey(t *testing.T) { sqldbtest.Each(t, testRotateKey) }

func testRotateKey(t *testing.T) {
	w := newWorld(t)
	k, first := w.key("acme", actor.AccessManage)
	app := func(text string) *browser { return &browser{w: w, key: text} }
	app(first).want(200, "GET", "/api/keys", nil)
	admin := w.login("admin@acme.example")
	rotate := func(overlap int) string {
		t.Helper()
		w.pass(2 * keyTTL)
		r := admin.want(200, "POST", "/api/keys/"+k.ID+"/rotate", map[string]any{"overlap_seconds": overlap})
		if r.body["prefix"] != k.Prefix || r.body["old_secret_until"] == nil {
			t.Fatalf("%s", r.raw)
		}
		return r.body["secret"].(string)
	}
	second := rotate(600)
	if e := w.rec.last(t, "acme"); e.Action != actionKeyRotate || e.Resource.ID != k.ID || e.Data[0].Name != "old_secret_works_until" {
		t.Errorf("%+v", e)
	}
	app(first).want(200, "GET", "/api/keys", nil)
	app(second).want(200, "GET", "/api/keys", nil)
	w.pass(10 * time.Minute)
	app(first).want(401, "GET", "/api/keys", nil)
	app(second).want(200, "GET", "/api/keys", nil)

	admin.want(204, "POST", "/api/session/step-up", map[string]string{"password": goodPassword})
	third := rotate(600)
	fourth := rotate(600) // the second is three secrets old
	app(second).want(401, "GET", "/api/keys", nil)
	app(third).want(200, "GET", "/api/keys", nil)
	fifth := rotate(0)
	app(fourth).want(401, "GET", "/api/keys", nil)
	app(fifth).want(200, "GET", "/api/keys", nil)

	w.login("admin@globex.example").want(404, "POST", "/api/keys/"+k.ID+"/rotate", map[string]any{})
	admin.want(400, "POST", "/api/keys/"+k.ID+"/rotate", map[string]any{"overlap_seconds": 31 * 24 * 3600})
	// Whoever manages access and may do nothing else gets no secret of a key that may do more.
	strong, _ := w.key("acme", actor.LedgerViewUnmasked)
	app(fifth).want(403, "POST", "/api/keys/"+strong.ID+"/rotate", map[string]any{})
	admin.want(204, "DELETE", "/api/keys/"+k.ID, nil)
	app(fifth).want(401, "GET", "/api/keys", nil)
	admin.want(404, "POST", "/api/keys/"+k.ID+"/rotate", map[string]any{})
	if _, _, err := w.s.RotateKey(context.Background(), actor.Principal{TenantID: "acme", UserID: "u"}, strong.ID, 0); errs.CodeOf(err) != errs.Forbidden {
		t.Error(err)
	}
}
