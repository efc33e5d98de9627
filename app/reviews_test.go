package app

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"probity.dev/access/mapping"
	"probity.dev/access/review"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/internal/tlog"
)

type reviewed struct {
	ID      string        `json:"id"`
	State   string        `json:"state"`
	SHA256  string        `json:"sha256"`
	Counts  review.Counts `json:"counts"`
	Mine    int           `json:"mine"`
	Overdue *time.Time    `json:"overdue_at"`
	Next    *time.Time    `json:"next_at"`
	Follows string        `json:"follows"`
}

func (s *staff) reviewItems(t *testing.T, name, id, query string) (out []review.Item) {
	t.Helper()
	var list struct {
		Items []review.Item `json:"items"`
	}
	s.do(t, name, "GET", "/api/access/reviews/"+id+"/items?"+query, "", 200, &list)
	return list.Items
}

func itemOf(t *testing.T, list []review.Item, user, what string) review.Item {
	t.Helper()
	i := slices.IndexFunc(list, func(i review.Item) bool { return i.UserID == user && (i.RoleID == what || i.What == what) })
	if i < 0 {
		t.Fatalf("no %s of %s in %+v", what, user, list)
	}
	return list[i]
}

func decisionOf(what, reason string, items ...string) string {
	b, err := json.Marshal(map[string]any{"items": items, "decision": what, "reason": reason})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestReviewOfAccess goes through a review: what it takes down, who may decide what, that revoking revokes, and evidence that proves it.
func TestReviewOfAccess(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		s := newStaff(t)
		s.hire(t, "carl", actor.RoleSupport)
		s.hire(t, "eve", actor.RoleCoach)
		var key struct {
			ID string `json:"id"`
		}
		s.do(t, "ana", "POST", "/api/keys", `{"name":"=nightly","scopes":["ledger.search"]}`, 201, &key)
		group := s.inGroup(t, "carl", "Helpers", actor.RoleSupport)
		s.do(t, "ana", "PUT", "/api/access/role-owners/support", `{"user_id":"`+s.ids["dora"]+`"}`, 204, nil)
		s.do(t, "dora", "POST", "/api/access/reviews", `{"name":"Q4","scope":{"kind":"all"},"by":"owners","days":14,"repeat_months":3,"remind_days":7,"auto_revoke":false}`, 403, nil)
		var r reviewed
		s.do(t, "ana", "POST", "/api/access/reviews", `{"name":"Q4","scope":{"kind":"all"},"by":"owners","days":14,"repeat_months":3,"remind_days":7,"auto_revoke":false}`, 201, &r)
		if r.State != "open" || r.Counts.Waiting != r.Counts.Total || r.Next == nil {
			t.Fatalf("%+v", r)
		}
		all := s.reviewItems(t, "ana", r.ID, "")
		carl, eve, dora, boss := itemOf(t, all, s.ids["carl"], actor.RoleSupport), itemOf(t, all, s.ids["eve"], actor.RoleCoach), itemOf(t, all, s.ids["dora"], actor.RoleAuditor), itemOf(t, all, s.ids["ana"], actor.RoleAdmin)
		nightly := itemOf(t, all, s.ids["ana"], "=nightly")
		if !strings.Contains(carl.Elsewhere, group) || nightly.Kind != review.KindKey || !slices.Equal(carl.Reviewers, []string{s.ids["dora"]}) || !slices.Equal(eve.Reviewers, []string{s.ids["ana"]}) || len(boss.Reviewers) != 0 {
			t.Fatalf("%+v\n%+v\n%+v\n%+v", carl, nightly, eve, boss)
		}
		// Everybody sees what he reviews, and others nothing of it.
		if mine := s.reviewItems(t, "dora", r.ID, ""); len(mine) != 1 || !mine[0].MayDecide {
			t.Fatalf("%+v", mine)
		}
		s.do(t, "eve", "GET", "/api/access/reviews/"+r.ID, "", 404, nil)
		path := "/api/access/reviews/" + r.ID + "/decisions"
		s.do(t, "eve", "POST", path, decisionOf("confirm", "mine is fine", eve.ID), 404, nil)
		s.do(t, "dora", "POST", path, decisionOf("confirm", "not mine to say", eve.ID), 404, nil)
		s.do(t, "ana", "POST", path, decisionOf("confirm", "I am the boss", boss.ID), 403, nil)
		s.do(t, "ana", "POST", path, decisionOf("confirm", "my own key", nightly.ID), 403, nil)
		s.do(t, "ana", "POST", path, decisionOf("confirm", " ", eve.ID), 400, nil)
		s.do(t, "ana", "POST", "/api/access/reviews/"+r.ID+"/close", `{}`, 409, nil)

		// Who may not manage access revokes with the rights of whoever began the review.
		var done struct {
			Items []review.Result `json:"items"`
		}
		s.do(t, "dora", "POST", path, decisionOf("revoke", "left the team", carl.ID), 200, &done)
		if len(done.Items) != 1 || done.Items[0].State != "revoked" || !strings.Contains(done.Items[0].Elsewhere, group) {
			t.Fatalf("%+v", done)
		}
		if s.can(t, "carl", actor.SupportManageTickets) {
			t.Fatal("what was revoked still holds")
		}
		s.do(t, "dora", "POST", path, decisionOf("confirm", "on second thoughts", carl.ID), 409, nil)
		s.do(t, "ana", "POST", path, decisionOf("confirm", "coaches clients", eve.ID, dora.ID), 200, &done)
		if got := s.do(t, "ana", "GET", "/api/events?source=probity&action=role.revoke", "", 200, nil); !strings.Contains(got, r.ID) || !strings.Contains(got, carl.ID) {
			t.Error("the event of the revocation does not name the review: " + got)
		}
		s.do(t, "ana", "GET", "/api/access/reviews/"+r.ID+"/evidence?format=csv", "", 409, nil)
		s.do(t, "dora", "POST", "/api/access/reviews/"+r.ID+"/close", `{"leave_undecided":true}`, 403, nil)
		s.do(t, "ana", "POST", "/api/access/reviews/"+r.ID+"/close", `{"leave_undecided":true}`, 200, &r)
		if r.State != "closed" || r.Counts.Confirmed != 2 || r.Counts.Revoked != 1 || r.Counts.Waiting != 0 || r.Counts.Undecided == 0 {
			t.Fatalf("%+v", r)
		}
		s.do(t, "ana", "POST", path, decisionOf("confirm", "too late", nightly.ID), 409, nil)
		s.checkEvidence(t, r)
		s.do(t, "eve", "GET", "/api/access/reviews/"+r.ID+"/evidence?format=csv", "", 403, nil)
		s.do(t, "ana", "DELETE", "/api/access/reviews/"+r.ID+"/repetition", "", 200, &r)
		for action, n := range map[string]int{"access_review.create": 1, "access_review.confirm": 2, "access_review.decide": 2, "access_review.close": 1, "access_review.stop_repeating": 1, "access_review.export": 4, "role.owner": 1} {
			if got := strings.Count(s.do(t, "ana", "GET", "/api/events?source=probity&action="+action, "", 200, nil), `"action":"`+action+`"`); got != n {
				t.Errorf("%d events %s, want %d", got, action, n)
			}
		}
	})
}

// inGroup puts somebody into a group of the directory that gives a role.
func (s *staff) inGroup(t *testing.T, name, group, roleID string) string {
	t.Helper()
	s.do(t, "ana", "PUT", "/api/scim/settings", `{"default_role":"non_clinical_viewer","roles":{"`+group+`":"`+roleID+`"}}`, 200, nil)
	s.c.answer(t, actor.Principal{TenantID: s.tenant, KeyID: "k-directory", Permissions: []string{actor.AccessProvision}}, "POST", "/scim/v2/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"`+group+`","members":[{"value":"`+s.ids[name]+`"}]}`)
	return group
}

func (s *staff) checkEvidence(t *testing.T, r reviewed) {
	t.Helper()
	path := "/api/access/reviews/" + r.ID + "/evidence?format="
	file := s.do(t, "ana", "GET", path+"csv", "", 200, nil)
	if sum := sha256.Sum256([]byte(file)); hex.EncodeToString(sum[:]) != r.SHA256 {
		t.Error("the digest is of something else")
	}
	if !strings.Contains(file, "'=nightly") || !strings.Contains(file, "left the team") {
		t.Error(file)
	}
	if got := s.do(t, "ana", "GET", "/api/events?source=probity&action=access_review.close", "", 200, nil); !strings.Contains(got, r.SHA256) {
		t.Error("the event of closing does not hold the digest")
	}
	var doc review.Document
	s.do(t, "ana", "GET", path+"json", "", 200, &doc)
	kinds := map[string]int{}
	for _, e := range doc.Log.Events {
		kinds[e.Action]++
		p, err := tlog.ParseProof([]byte(e.TLogProof))
		if err != nil || !strings.Contains(e.TLogProof, doc.Log.Origin) || p.Index != e.Seq || e.EventID == "" {
			t.Errorf("%+v %v", e, err)
		}
	}
	if kinds["access_review.create"] != 1 || kinds["access_review.confirm"] != 2 || kinds["role.revoke"] != 1 || kinds["access_review.close"] != 1 {
		t.Errorf("%v", kinds)
	}
	for _, i := range doc.Items {
		if i.EventID != "" && !slices.ContainsFunc(doc.Log.Events, func(p review.Proof) bool { return p.EventID == i.EventID }) {
			t.Errorf("no proof of the decision on %s", i.What)
		}
	}
	if got := s.do(t, "ana", "GET", path+"pdf", "", 200, nil); !strings.HasPrefix(got, "%PDF-") {
		t.Error("no PDF")
	}
	if got := s.do(t, "ana", "GET", path+"bundle", "", 200, nil); !strings.HasPrefix(got, "PK") {
		t.Error("no bundle")
	}
}

// TestReviewsRepeatAndLapse: when its time is over a review says so once, revokes what nobody decided on, and begins anew by the calendar.
func TestReviewsRepeatAndLapse(t *testing.T) {
	s := newStaff(t)
	s.hire(t, "carl", actor.RoleSupport)
	ctx := context.Background()
	if err := s.jobs.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stopJobs(); err != nil {
			t.Error(err)
		}
	})
	var r reviewed
	s.do(t, "ana", "POST", "/api/access/reviews", fmt.Sprintf(`{"name":"Helpers","scope":{"kind":"role","value":"support"},"by":"named","reviewers":[%q],"days":1,"repeat_months":1,"remind_days":0,"auto_revoke":true}`, s.ids["dora"]), 201, &r)
	s.pastReviews(t)
	eventually(t, "the role is gone", func() bool { return !s.can(t, "carl", actor.SupportManageTickets) })
	body := s.do(t, "ana", "GET", "/api/access/reviews/"+r.ID, "", 200, &r)
	if strings.Contains(body, "next_at") || r.Overdue == nil || r.Counts.Revoked != 1 {
		t.Fatalf("%+v", r)
	}
	// The next one has begun, and the one after it, each only once.
	s.pastReviews(t)
	var list struct {
		Items []reviewed `json:"items"`
	}
	eventually(t, "the next one has begun", func() bool {
		s.do(t, "ana", "GET", "/api/access/reviews", "", 200, &list)
		return len(list.Items) == 3
	})
	if list.Items[1].Follows != r.ID || list.Items[0].Follows != list.Items[1].ID || list.Items[1].Next != nil {
		t.Errorf("%+v", list.Items)
	}
	s.do(t, "ana", "POST", "/api/access/reviews/"+list.Items[1].ID+"/close", `{"leave_undecided":true}`, 200, nil)
	if got := strings.Count(s.do(t, "ana", "GET", "/api/events?source=probity&action=access_review.overdue", "", 200, nil), `"action":"access_review.overdue"`); got < 2 || got > 3 {
		t.Errorf("told %d times", got)
	}
}

// pastReviews has the time of every review be over, and waits until what follows is enqueued.
func (s *staff) pastReviews(t *testing.T) {
	t.Helper()
	at := time.Now().Add(-time.Minute).UnixMicro()
	if err := s.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE access_review SET due_at = $1, next_at = CASE WHEN next_at > 0 THEN $1 ELSE 0 END`, at)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing to do
		if err := s.reviews.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 200 {
		if is() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("never: " + what)
}

// TestKeptOutIsRecorded: a sign-in that is not even looked at after too many is in the security log, about the account where there is one.
func TestKeptOutIsRecorded(t *testing.T) {
	s := newStaff(t)
	login := func(email string) error {
		_, err := s.Access.Login(t.Context(), email, "not the password", "", "")
		return err
	}
	var err error
	for range 30 {
		if err = login("dora@example.com"); errs.CodeOf(err) == errs.Throttled {
			break
		}
	}
	if errs.CodeOf(err) != errs.Throttled {
		t.Fatalf("nobody is kept out: %v", err)
	}
	eventually(t, "it is recorded", func() bool {
		got := s.do(t, "ana", "GET", "/api/events?source=probity&action=session.login&outcome=denied", "", 200, nil)
		return strings.Contains(got, "too many attempts") && strings.Contains(got, s.ids["dora"])
	})
}

// TestReviewsOfAnotherTenant: nobody reaches a review or a system of another tenant by its id, whatever he may do in his own.
func TestReviewsOfAnotherTenant(t *testing.T) {
	s := newStaff(t)
	var r reviewed
	s.do(t, "ana", "POST", "/api/access/reviews", `{"name":"All","scope":{"kind":"all"},"by":"owners","days":1,"repeat_months":1,"remind_days":0,"auto_revoke":false}`, 201, &r)
	var x mapped
	s.do(t, "ana", "POST", "/api/access/systems", `{"name":"Shop","kind":"strapi","base":"https://shop.example.com","rules":[],"apply":true,"every_hours":0,"secret":"s"}`, 201, &x)
	item := s.reviewItems(t, "ana", r.ID, "")[0].ID
	other := actor.System("another-tenant")
	other.UserID, other.SessionID = "u", "s"
	for what, try := range map[string]func() error{
		"read a review": func() error { _, err := s.reviews.Get(t.Context(), other, r.ID); return err },
		"list its items": func() error {
			_, _, err := s.reviews.Items(t.Context(), other, r.ID, review.Page{Limit: 10})
			return err
		},
		"decide": func() error {
			_, err := s.reviews.Decide(t.Context(), other, r.ID, review.Decision{Items: []string{item}, Revoke: true, Reason: "x"})
			return err
		},
		"close":         func() error { _, err := s.reviews.CloseReview(t.Context(), other, r.ID, true); return err },
		"stop":          func() error { _, err := s.reviews.StopRepeating(t.Context(), other, r.ID); return err },
		"take evidence": func() error { _, _, err := s.reviews.Evidence(t.Context(), other, r.ID, "csv"); return err },
		"read a system": func() error { _, err := s.mappings.Get(t.Context(), other, x.ID); return err },
		"change a system": func() error {
			_, err := s.mappings.Put(t.Context(), other, x.ID, mapping.Definition{Name: "x", Kind: "strapi", Base: "https://evil.example.com"}, new(string))
			return err
		},
		"run it":         func() error { _, err := s.mappings.Sync(t.Context(), other, x.ID, true); return err },
		"ask it":         func() error { _, err := s.mappings.Outside(t.Context(), other, x.ID); return err },
		"read its drift": func() error { _, err := s.mappings.Drift(t.Context(), other, x.ID); return err },
		"forget it":      func() error { return s.mappings.Delete(t.Context(), other, x.ID) },
	} {
		if err := try(); errs.CodeOf(err) != errs.NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	if all, err := s.mappings.List(t.Context(), other); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
}
