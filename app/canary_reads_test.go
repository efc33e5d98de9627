package app

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"probity.dev/access/masking"
	"probity.dev/internal/sqldb/sqldbtest"
)

// reading are the addresses at which a canary could be read, for every GET operation of the OpenAPI document. An operation that is not here fails the test.
func (w *canaryWorld) reading() map[string][]string {
	seqs := make([]string, 0, 32)
	for _, r := range w.records() {
		seqs = append(seqs, fmt.Sprint(r.Seq))
	}
	events := func(format string) (out []string) {
		for _, s := range seqs[len(seqs)-min(len(seqs), 12):] {
			out = append(out, fmt.Sprintf(format, s))
		}
		return append(out, fmt.Sprintf(format, w.ids["event"]))
	}
	with := func(format, id string) []string {
		if w.ids[id] == "" {
			w.t.Errorf("there is no %s", id)
		}
		return []string{fmt.Sprintf(format, url.PathEscape(w.ids[id]))}
	}
	logID := w.ids["log"]
	return map[string][]string{
		"search-events":         {"/api/events?limit=1000", "/api/events?limit=1000&order=asc", "/api/events?text=call", "/api/events?action=client.*", "/api/events?resource=client"},
		"get-event":             events("/api/events/%s"),
		"lookup-event":          {"/api/event-lookup?source=shop&id=order-1"},
		"prove-event":           events("/api/events/%s/proof"),
		"resource-history":      {"/api/resources/document/doc-1/history", "/api/resources/ticket/x/history"},
		"event-stats":           {"/api/stats", "/api/stats?text=call"},
		"stream-events":         {"/api/events/stream?after=0"},
		"audit-log-entries":     {"/api/audit-log?limit=1000"},
		"find-persons":          {"/api/persons?q=a", "/api/persons?q=e", "/api/persons?q=i&limit=50", "/api/persons?q=o&limit=50"},
		"get-jwks":              {"/.well-known/jwks.json"},
		"list-logs":             {"/api/log"},
		"verification":          {"/api/log/verify"},
		"log-consistency":       {"/api/log/" + logID + "/consistency?from=1&to=1"},
		"epoch-consistency":     {"/api/log/" + logID + "/epoch/0/consistency?from=1&to=1"},
		"get-crypto-keys":       {"/api/crypto/keys"},
		"get-settings":          {"/api/settings"},
		"list-custom-fields":    {"/api/custom-fields"},
		"list-views":            {"/api/views"},
		"list-evidence-holds":   {"/api/evidence/holds"},
		"get-catalog":           {"/api/settings/catalog"},
		"get-masking":           {"/api/settings/masking"},
		"list-masking-versions": {"/api/settings/masking/versions"},
		"list-purposes":         {"/api/settings/masking/purposes"},
		"get-status":            {"/api/status"},
		"list-jobs":             {"/api/jobs?limit=200"},
		"get-job":               with("/api/jobs/%s", "job"),
		"list-exports":          {"/api/exports"},
		"get-export":            with("/api/exports/%s", "export"),
		"download-export":       with("/api/exports/%s/file", "export"),
		"list-export-links":     with("/api/exports/%s/links", "export"),
		"list-schedules":        {"/api/schedules"},
		"get-schedule":          with("/api/schedules/%s", "schedule"),
		"list-schedule-runs":    with("/api/schedules/%s/runs", "schedule"),
		"list-alerts":           {"/api/alerts"},
		"get-alert":             with("/api/alerts/%s", "alert"),
		"list-alert-rules":      {"/api/alert-rules"},
		"get-alert-rule":        with("/api/alert-rules/%s", "rule"),
		"list-deliveries":       {"/api/notify/deliveries"},
		"get-delivery":          with("/api/notify/deliveries/%s", "delivery"),
		"list-dead-letters":     {"/api/notify/dead-letters"},
		"list-event-streams":    {"/api/notify/streams"},
		"get-event-stream":      with("/api/notify/streams/%s", "stream"),
		"list-approvals":        {"/api/approvals"},
		"get-approval":          {"/api/approvals/" + w.ids["approval"], "/api/approvals/" + w.ids["elevation"]},
		"list-roles":            {"/api/access/roles"},
		"list-permissions":      {"/api/access/permissions"},
		"list-assignments":      {"/api/access/assignments?limit=1000", "/api/access/assignments?ended=true"},
		"who-can":               {"/api/access/who-can?permission=ledger.search", "/api/access/who-can?permission=bookings.view"},
		"what-can":              with("/api/access/users/%s/permissions", "user"),
		"list-users":            {"/api/users"},
		"list-keys":             {"/api/keys"},
		"list-sessions":         {"/api/sessions", "/api/sessions?user_id=" + w.ids["user"]},
		"get-session":           {"/api/session"},
		"list-factors":          {"/api/session/factors"},
		"get-sign-in-policy":    {"/api/access/sign-in-policy"},
		"list-flags":            {"/api/flags"},
		"list-subscriptions":    {"/api/subscriptions"},
		"authorize-scribe":      {"/api/access/scribe/authorization"},
		"list-token-issuers":    {"/api/token-issuers"},
		"list-oidc-providers":   {"/api/oidc-providers"},
		"get-decision-policy":   {"/api/access/policy"},
		"get-decision":          with("/api/access/decisions/%s", "decision"),
		"authzen-configuration": {"/.well-known/authzen-configuration"},

		"list-sign-in-providers":     {"/api/session/providers"},
		"get-directory-settings":     {"/api/scim/settings"},
		"list-notification-kinds":    {"/api/notify/kinds"},
		"list-notification-channels": {"/api/notify/channels"},
		"get-notification-channel":   with("/api/notify/channels/%s", "channel"),
	}
}

// unlisted are the addresses that the document does not describe.
var unlisted = []string{"/metrics", "/healthz", "/readyz", "/api/openapi.json", "/api/docs", "/scim/v2/Users", "/scim/v2/Groups", "/", "/api/nothing"}

// TestNoCanaryLeaks reads everything that can be read as every built-in role, by session and by key, and fails where a personal value appears that the role's policy does not show.
func TestNoCanaryLeaks(t *testing.T) { sqldbtest.Each(t, testNoCanaryLeaks) }

func testNoCanaryLeaks(t *testing.T) {
	w := newCanaryWorld(t)
	w.fill()
	w.furnish()
	w.can.kept(t, w.records(), w.events)
	policy := masking.Builtin()
	addresses := w.reading()
	for _, op := range w.operations() {
		if _, ok := addresses[op]; !ok {
			t.Errorf("no case reads %s", op)
		}
	}
	ok := map[string]bool{}
	seen := map[*canary]bool{}
	n := 0
	check := func(v *viewer, what string, b []byte) {
		for _, x := range w.can.found(b) {
			if v.role == "owner" {
				seen[x] = true
			}
			if !v.sees(policy, x) {
				if n++; n < 400 {
					t.Errorf("%s reads %s (%q, %s) at %s", v, x.where, x.value, x.category, what)
				}
			}
		}
	}
	for _, v := range w.viewers {
		for op, list := range addresses {
			for _, path := range list {
				status, b := w.get(v, "GET", path, "")
				ok[op] = ok[op] || status == 200
				check(v, path, b)
			}
		}
		for _, path := range unlisted {
			_, b := w.get(v, "GET", path, "")
			check(v, path, b)
		}
		w.exportAll(v, check)
	}
	for op := range addresses {
		if !ok[op] && !slices.Contains(neverOK, op) {
			t.Errorf("nobody was answered by %s: its case cannot fail", op)
		}
	}
	// Whoever may see a value is shown it; otherwise nothing above could fail.
	for _, x := range w.events {
		if !seen[x] && !strings.HasPrefix(x.category, "user.authorization") {
			t.Errorf("not even the owner reads %s (%q)", x.where, x.value)
		}
	}
	w.outside(t)
}

// neverOK are operations that answer nobody here with 200: one wants a clinician's token, the other the cookie of a browser, and tells about its own session.
var neverOK = []string{"authorize-scribe", "get-session"}

// operations are the ids of the GET operations of the OpenAPI document.
func (w *canaryWorld) operations() (out []string) {
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(w.c.answer(w.t, w.admin, "GET", "/api/openapi.json", "")), &doc); err != nil {
		w.t.Fatal(err)
	}
	for path, item := range doc.Paths {
		var op struct {
			ID string `json:"operationId"`
		}
		if item["get"] == nil {
			continue
		}
		if err := json.Unmarshal(item["get"], &op); err != nil || op.ID == "" {
			w.t.Errorf("%s: %v", path, err)
		}
		out = append(out, op.ID)
	}
	if len(out) < 50 {
		w.t.Fatalf("%d operations", len(out))
	}
	return out
}
