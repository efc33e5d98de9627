package app

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"probity.dev/access"
	"probity.dev/internal/actor"
	"probity.dev/internal/config"
	"probity.dev/internal/sqldb/sqldbtest"
)

// mailingSite is a site whose letters go to a box, with its jobs and the work of accounts running.
func mailingSite(t *testing.T) (*staff, *letterBox, http.Handler) {
	t.Helper()
	box := &letterBox{}
	s := &staff{site: newSite(t, func(c *config.Config) {
		c.SMTPServer, c.SMTPTLS, c.SMTPFrom, c.PublicURL = box.open(t), "none", "probity@audit.example", "https://probity.example"
	}), ids: map[string]string{}}
	if err := s.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Access.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
		if err := s.stopJobs(); err != nil {
			t.Error(err)
		}
	})
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return s, box, h
}

// wait returns the newest letter to an address that holds a text.
func (b *letterBox) wait(t *testing.T, to, text string) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		letters := b.take()
		for i := range letters {
			if l := letters[len(letters)-1-i]; strings.HasPrefix(l, "to "+to+"\n") && strings.Contains(l, text) {
				return l
			}
		}
	}
	t.Fatalf("no letter to %s about %q", to, text)
	return ""
}

// knock posts to a served handler as a stranger whose Host header lies.
func knock(t *testing.T, h http.Handler, path, body string, want int) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "https://evil.example"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != want {
		t.Fatalf("%s: %d, want %d: %s %v", path, w.Code, want, text, err)
	}
	return string(text)
}

func linkIn(t *testing.T, letter, page string) string {
	t.Helper()
	m := regexp.MustCompile(`https://probity\.example/` + page + `#([\w-]{43})`).FindStringSubmatch(letter)
	if m == nil {
		t.Fatalf("no link: %s", letter)
	}
	return m[1]
}

// TestPeopleByMail follows an invitation and a forgotten password through a real mail server.
func TestPeopleByMail(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		s, box, h := mailingSite(t)
		s.hire(t, "ana", actor.RoleAdmin)
		s.do(t, "ana", "POST", "/api/invitations", `{"email":"nia@example.com","name":"Nia","roles":["auditor"]}`, 201, nil)
		token := linkIn(t, box.wait(t, "nia@example.com", "invited"), "invitation")
		in := knock(t, h, "/api/session/invitation/accept", `{"token":"`+token+`","password":"seven slow grey herons"}`, 200)
		var session struct{ User access.User }
		if err := json.Unmarshal([]byte(in), &session); err != nil || session.User.Email != "nia@example.com" {
			t.Fatalf("%s %v", in, err)
		}
		knock(t, h, "/api/session/invitation/accept", `{"token":"`+token+`","password":"seven slow grey herons"}`, 404)
		knock(t, h, "/api/session/forgotten", `{"email":"nia@example.com"}`, 202)
		letter := box.wait(t, "nia@example.com", "forgotten")
		if strings.Contains(letter, "evil") {
			t.Error(letter)
		}
		knock(t, h, "/api/session/reset", `{"token":"`+linkIn(t, letter, "reset")+`","password":"eleven quick red foxes"}`, 204)
		box.wait(t, "nia@example.com", "was set anew")
		knock(t, h, "/api/session", `{"email":"nia@example.com","password":"seven slow grey herons"}`, 401)
		knock(t, h, "/api/session", `{"email":"nia@example.com","password":"eleven quick red foxes"}`, 200)
		for _, action := range []string{"user.invite", "user.create", "user.password_forgotten", "user.password_reset"} {
			if found := s.do(t, "ana", "GET", "/api/events?action="+action, "", 200, nil); !strings.Contains(found, `"`+action+`"`) {
				t.Errorf("%s is not in the log", action)
			}
		}
	})
}

// TestApproversAreMailed: each who may decide gets one letter, nobody else does, and it names nobody.
func TestApproversAreMailed(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		s, box, _ := mailingSite(t)
		s.hire(t, "ana", actor.RoleAdmin)
		s.hire(t, "carl", actor.RoleAdmin)
		s.hire(t, "dora", actor.RoleAuditor)
		s.hire(t, "eve", actor.RoleSupport)
		s.lockFirstAdmin(t)
		var made struct{ ApprovalID string }
		s.do(t, "ana", "POST", "/api/operations/rbac/assign", `{"userId":"`+s.ids["eve"]+`","roleId":"compliance_officer","reason":"she takes over from Zacharias"}`, 202, &made)
		letter := box.wait(t, "carl@example.com", "approval is asked for")
		if !strings.Contains(letter, "https://probity.example/approvals?id="+made.ApprovalID) || !strings.Contains(letter, "0 of 1") {
			t.Error(letter)
		}
		for _, personal := range []string{"Zacharias", "eve", "ana@"} {
			if strings.Contains(letter, personal) {
				t.Errorf("the letter holds %q: %s", personal, letter)
			}
		}
		time.Sleep(300 * time.Millisecond)
		if n := len(box.take()); n != 1 {
			t.Errorf("%d letters: %s", n, strings.Join(box.take(), "\n---\n"))
		}
		rules := s.do(t, "carl", "GET", "/api/approval-rules", "", 200, nil)
		if !strings.Contains(rules, `"role.assign"`) {
			t.Error(rules)
		}
		s.do(t, "ana", "PUT", "/api/approval-rules/role.assign", `{"needed":2,"reason":"the auditors ask for it"}`, 400, nil) // ana and carl: one could approve
		s.do(t, "dora", "PUT", "/api/approval-rules/role.assign", `{"needed":2,"reason":"x"}`, 403, nil)
		s.do(t, "dora", "GET", "/api/approval-rules", "", 403, nil)
	})
}
