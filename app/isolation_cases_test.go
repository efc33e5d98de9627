package app

import (
	"net/url"
	"strings"
)

// places says of which thing an id in a path is: the part of the path before it, and what of the foreign tenant is asked for there.
var places = map[string]string{
	"/api/access/decisions/": "decision", "/api/access/permissions/": "=" + foreign + ".read", "/api/access/roles/": "role", "/api/access/role-owners/": "role", "/api/access/reviews/": "review", "/api/access/systems/": "system", "/api/access/users/": "user",
	"/api/alert-rules/": "rule", "/api/alerts/": "alert", "/api/approvals/": "approval", "/api/custom-fields/": "=field_" + foreign,
	"/api/events/": "seq", "/api/evidence/holds/": "=hold-" + foreign, "/api/exports/": "export", "/api/exports/{id}/links/": "link",
	"/api/flags/": "=flag-" + foreign, "/api/invitations/": "invitation", "/api/approval-rules/": "=role.assign", "/api/jobs/": "job", "/api/keys/": "key", "/api/log/": "log", "/api/log/{log_id}/epoch/": "=0", "/api/log/{log_id}/tile/": "=0/000.p/1", "/api/log/{log_id}/epoch/{epoch}/tile/": "=0/000.p/1",
	"/api/notify/channels/": "channel", "/api/notify/dead-letters/": "delivery", "/api/notify/deliveries/": "delivery", "/api/notify/streams/": "stream",
	"/api/oidc-providers/": "provider", "/api/resources/": "=thing", "/api/resources/{type}/": "=res-" + foreign, "/api/schedules/": "schedule",
	"/api/session/enrolment/": "factor", "/api/session/factors/": "factor", "/api/session/oidc/": "provider", "/api/sessions/": "session", "/api/tenants/": "tenant", "/api/token-issuers/": "issuer", "/api/users/": "user", "/api/views/": "view",
	"/scim/v2/Users/": "scim-user", "/scim/v2/Groups/": "scim-group", "/scim/v2/ResourceTypes/": "=User", "/scim/v2/Schemas/": "=urn:ietf:params:scim:schemas:core:2.0:User",
}

// ownNames are operations whose path holds no id but a name that the caller gives, or a number of the caller's own: they may succeed, on what is the caller's.
var ownNames = map[string]bool{
	"PUT /api/access/permissions/{key}": true, "DELETE /api/access/permissions/{key}": true, "PUT /api/flags/{name}": true, "DELETE /api/flags/{name}": true, "GET /api/resources/{type}/{id}/history": true,
	// Events are numbered from 0 in every log.
	"GET /api/events/{id}": true, "GET /api/events/{id}/proof": true,
	"GET /scim/v2/ResourceTypes/{id}": true, "GET /scim/v2/Schemas/{id}": true,
	"PUT /api/approval-rules/{kind}": true, // the caller's own
	// To everybody who may sign in there.
	"GET /api/session/oidc/{id}/start": true, "GET /api/session/oidc/{id}/callback": true, "GET /api/session/oidc/{id}/signed-out": true,
	"GET /api/log/{rest...}": true,
}

// queries are the values that are sent in parameters of a query, by name: what of the foreign tenant is asked for; "-" leaves the parameter out because it names nothing.
var queries = map[string]string{
	"user_id": "user", "role_id": "role", "rule_id": "rule", "channel_id": "channel", "tenant_id": "tenant", "id": "=ev-" + foreign + "-1", "source": "=src-" + foreign, "actor": "=actor-" + foreign, "subject": "=actor-" + foreign,
	"person": "=actor-" + foreign, "action": "=act." + foreign, "resource": "=thing/res-" + foreign, "ip": "=203.0.113.77", "correlation_id": "=corr-" + foreign, "text": "=" + foreign, "q": "=" + foreign, "permission": "=" + foreign + ".read",
	"dataset": "=src-" + foreign, "resource_type": "=thing", "from": "-", "to": "-", "time": "-", "outcome": "-", "category": "-", "activity": "-", "severity": "-", "cursor": "-", "limit": "-", "order": "-", "after": "-", "before": "-", "ended": "=true",
	"state": "-", "kind": "-", "status": "-", "bucket": "-", "tz": "-", "atomic": "-", "wait": "-", "dedupe": "-", "results": "-", "mine": "=true", "format": "-",
}

// required are parameters without which the request means nothing; of the others each goes alone.
var required = map[string]string{
	"GET /api/log/{log_id}/consistency": "from=1&to=2", "GET /api/log/{log_id}/epoch/{epoch}/consistency": "from=1&to=2", "GET /api/event-lookup": "source=src-" + foreign + "&id=ev-" + foreign + "-1", "GET /api/access/who-can": "permission=ledger.search",
	"GET /api/stats": "bucket=day", "GET /api/access/reviews/{id}/evidence": "format=csv", "GET /api/persons": "q=" + foreign, "GET /api/session/oidc/{id}/callback": "code=x&state=" + foreign,
}

// bodies are what is sent, with the foreign tenant's ids in braces, to operations that take a body.
var bodies = map[string][]string{
	"POST /api/access/reviews":                       {`{"name":"x","scope":{"kind":"user","value":"{user}"},"by":"named","reviewers":["{user}"],"days":14,"repeat_months":0,"remind_days":7,"auto_revoke":false}`},
	"POST /api/access/reviews/{id}/decisions":        {`{"items":["x"],"decision":"revoke","reason":"x"}`},
	"POST /api/access/reviews/{id}/close":            {`{}`},
	"PUT /api/access/role-owners/{role}":             {`{"user_id":"{user}"}`},
	"POST /api/access/systems":                       {`{"name":"x","kind":"medusa","base":"https://b.probity.invalid","rules":[{"role_id":"{role}","outside_role":"x"}],"apply":false,"every_hours":0,"per_second":50,"secret":"x"}`},
	"POST /api/access/systems/{id}/runs":             {`{}`},
	"PUT /api/access/systems/{id}":                   {`{"name":"x","kind":"medusa","base":"https://b.probity.invalid","rules":[],"apply":false,"every_hours":0,"per_second":50,"secret":"x"}`},
	"POST /api/access/break-glass":                   {`{"justification":"a patient is unconscious and unknown","minutes":5}`},
	"POST /api/access/elevations":                    {`{"purpose":"who opened the file","case":"{user}","minutes":5}`},
	"PUT /api/access/permissions/{key}":              {`{"description":"mine"}`},
	"PUT /api/access/policy":                         {`{"rules":[],"version":0}`},
	"POST /api/access/roles":                         {`{"name":"Copy","copyOf":"{role}"}`, `{"name":"Copy","permissions":["=zkanary.read"]}`},
	"PUT /api/access/roles/{id}":                     {`{"name":"Mine","permissions":["ledger.search"]}`},
	"PUT /api/access/sign-in-policy":                 {`{"second_factor_of":[]}`, `{"second_factor_of":["{role}"]}`},
	"POST /api/alert-rules":                          {`{"name":"x","filter":{"action":"none.*"},"threshold":{"more_than":0,"window_seconds":300},"channels":["{channel}"]}`},
	"POST /api/alert-rules/preview":                  {`{"filter":{"action":"act.*"},"threshold":{"more_than":0,"window_seconds":300,"group_by":"actor"},"days":1}`},
	"PUT /api/alert-rules/{id}":                      {`{"name":"x","filter":{"action":"none.*"},"threshold":{"more_than":0,"window_seconds":300}}`},
	"POST /api/alert-rules/{id}/mute":                {`{}`},
	"POST /api/alerts/{id}/acknowledge":              {`{"note":"x"}`},
	"POST /api/approvals/{id}/approve":               {`{"comment":"x"}`},
	"POST /api/approvals/{id}/deny":                  {`{"comment":"x"}`},
	"POST /api/crypto/keys/rotate":                   {`{"key":"tenant","reason":"x","dry_run":true}`, `{"key":"master","reason":"x"}`},
	"POST /api/custom-fields":                        {`{"name":"field_mine","type":"string","personal":false}`},
	"PUT /api/custom-fields/{name}":                  {`{"name":"field_zkanary","type":"string","personal":false}`},
	"POST /api/downloads":                            {`token={token}`},
	"POST /api/downloads/about":                      {`{"token":"{token}"}`},
	"POST /api/events":                               {`{"source":"mine","action":"mine.do","actor":{"type":"user","id":"mine"},"subject":{"type":"user","id":"mine"}}`},
	"POST /api/evidence/holds":                       {`{"reason":"x"}`},
	"POST /api/evidence/holds/{id}/release":          {`{"reason":"x"}`},
	"POST /api/export-compliance-logs":               {`{"format":"csv","user_ids":["actor-zkanary"],"start_date":"2026-01-01","end_date":"2026-12-31"}`},
	"POST /api/exports":                              {`{"format":"csv","filter":{"actor":"mine"}}`},
	"PUT /api/flags/{name}":                          {`{"default":false,"percentage":0}`},
	"POST /api/flags/evaluate":                       {`{"subject":"x","flags":["flag-zkanary"]}`, `{"subject":"sub-zkanary"}`},
	"PUT /api/approval-rules/{kind}":                 {`{"needed":1}`},
	"POST /api/invitations":                          {`{"email":"i@b.example","name":"x","roles":["{role}"]}`, `{"email":"j@b.example","name":"x","roles":["auditor"]}`},
	"POST /api/session/invitation":                   {`{"token":"{token}"}`},
	"POST /api/session/invitation/accept":            {`{"token":"{token}","password":"another long passphrase 9"}`},
	"POST /api/session/forgotten":                    {`{"email":"nobody@b.example"}`},
	"POST /api/session/reset":                        {`{"token":"{token}","password":"another long passphrase 9"}`},
	"POST /api/session/oidc/{id}/backchannel-logout": {`logout_token=x`},
	"POST /api/keys":                                 {`{"name":"x","scopes":["zkanary.read"]}`},
	"POST /api/keys/{id}/rotate":                     {`{}`},
	"POST /api/notify/channels":                      {`{"name":"x","kind":"webhook","settings":{"url":"https://b.probity.invalid/x"}}`},
	"PATCH /api/notify/channels/{id}":                {`{"name":"mine"}`},
	"POST /api/notify/dead-letters/replay":           {`{"channel_id":"{channel}"}`, `{}`},
	"POST /api/notify/streams":                       {`{"name":"x","kind":"webhook","format":"native","filter":{"sources":["mine"]},"settings":{"url":"https://b.probity.invalid/y"}}`},
	"PATCH /api/notify/streams/{id}":                 {`{"paused":true}`},
	"POST /api/oidc-providers":                       {`{"name":"x","issuer":"https://b.example","client_id":"x","create_users":false}`},
	"PUT /api/oidc-providers/{id}":                   {`{"name":"x","issuer":"https://b.example","client_id":"x","create_users":false}`},
	"POST /api/operations/rbac/assign":               {`{"userId":"{user}","roleId":"auditor","reason":"x"}`, `{"userId":"{user}","roleId":"{role}"}`},
	"POST /api/operations/rbac/revoke":               {`{"userId":"{user}","roleId":"auditor","reason":"x"}`, `{"userId":"{user}","roleId":"{role}"}`},
	"POST /api/schedules":                            {`{"name":"x","format":"csv","period":"all","filter":{"actor":"mine"},"timing":{"every":"day","at":"03:00","time_zone":"UTC"}}`},
	"POST /api/schedules/preview":                    {`{"timing":{"every":"day","at":"03:00","time_zone":"UTC"}}`},
	"PUT /api/schedules/{id}":                        {`{"name":"x","format":"csv","period":"all","timing":{"every":"day","at":"03:00","time_zone":"UTC"}}`},
	"PUT /api/scim/settings":                         {`{"default_role":"writer","roles":{"group":"{role}"}}`, `{"default_role":"writer","roles":{}}`},
	"POST /api/session":                              {`{"email":"a@a.example","password":"wrong wrong wrong wrong","tenant_id":"{tenant}"}`},
	"POST /api/session/enrolment":                    {`{"token":"{token}","kind":"totp","name":"x"}`},
	"POST /api/session/enrolment/{id}/confirm":       {`{"token":"{token}","code":"123456"}`},
	"POST /api/session/factors":                      {`{"kind":"totp","name":"x"}`},
	"POST /api/session/factors/{id}/confirm":         {`{"code":"123456"}`},
	"POST /api/session/passkey":                      {`{"passkey":{"id":"x"}}`},
	"POST /api/session/password":                     {`{"current":"wrong wrong wrong","new":"another long passphrase 9"}`},
	"POST /api/session/second-factor":                {`{"token":"{token}","code":"123456"}`},
	"POST /api/session/second-factor/passkey":        {`{"token":"{token}"}`},
	"POST /api/session/step-up":                      {`{"code":"123456"}`},
	"POST /api/session/switch":                       {`{"tenant_id":"{tenant}"}`},
	"POST /api/tenants":                              {`{"name":"x","admin_email":"x@b.example","admin_name":"x"}`},
	"POST /api/tenants/{id}/suspend":                 {`{"reason":"x"}`},
	"POST /api/tenants/{id}/resume":                  {`{"reason":"x"}`},
	"POST /api/tenants/{id}/take-back":               {`{"reason":"x"}`},
	"DELETE /api/tenants/{id}":                       {`{"confirm":"a","reason":"x","grace_days":1}`},
	"POST /api/session/token":                        {`{}`},
	"PUT /api/settings/masking":                      {`{"version":0,"require_purpose":false,"roles":{"auditor":{"categories":{},"default":"redact","unknown":"redact","nothing":false,"unmasked":false}}}`},
	"POST /api/settings/masking/preview":             {`{"role":"auditor"}`},
	"PUT /api/settings":                              {`{"anonymise_exports":"none","event_classes":{},"export_formats":["csv","json","ndjson","pdf","parquet","ocsf","bundle"],"export_frequency":"none","retention_months":24,"timezone":"UTC"}`},
	"PUT /api/subscriptions":                         {`{"subject":"mine","status":"cancelled"}`},
	"POST /api/subscriptions/remove":                 {`{"subject":"sub-zkanary"}`},
	"POST /api/token-issuers":                        {`{"name":"x","issuer":"https://b.example","audience":"aud-zkanary","jwks_url":"https://b.example/jwks","permissions":["ledger.search"]}`},
	"PUT /api/token-issuers/{id}":                    {`{"name":"x","issuer":"https://b.example","audience":"b","jwks_url":"https://b.example/jwks","permissions":["ledger.search"]}`},
	"POST /api/token-keys/rotate":                    {`{}`},
	"POST /api/users":                                {`{"email":"y@b.example","name":"x","password":"another long passphrase 9","role":"{role}"}`, `{"email":"x@b.example","name":"x","password":"another long passphrase 9","role":"auditor"}`},
	"PATCH /api/users/{id}":                          {`{"locked":true,"reason":"x"}`, `{"roles":["{role}"]}`},
	"POST /api/users/{id}/factors/reset":             {`{"reason":"x"}`},
	"POST /api/views":                                {`{"name":"x","query":"action=mine"}`},
	"POST /v1/logs":                                  {`{"resourceLogs":[]}`},
	"POST /access/v1/evaluation":                     {`{"subject":{"type":"user","id":"{user}"},"action":{"name":"ledger.search"},"resource":{"type":"tenant","id":"{tenant}"}}`},
	"POST /access/v1/evaluations":                    {`{"evaluations":[{"subject":{"type":"user","id":"{user}"},"action":{"name":"ledger.search"},"resource":{"type":"tenant","id":"{tenant}"}}]}`},
	"POST /access/v1/search/subject":                 {`{"subject":{"type":"user"},"action":{"name":"ledger.search"},"resource":{"type":"tenant","id":"{tenant}"}}`},
	"POST /access/v1/search/resource":                {`{"subject":{"type":"user","id":"{user}"},"action":{"name":"ledger.search"},"resource":{"type":"tenant"}}`},
	"POST /access/v1/search/action":                  {`{"subject":{"type":"user","id":"{user}"},"resource":{"type":"tenant","id":"{tenant}"}}`},
	"POST /scim/v2/Users":                            {`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"scim@b.example","groups":[{"value":"{scim-group}"}]}`},
	"PUT /scim/v2/Users/{id}":                        {`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x@b.example","active":false}`},
	"PATCH /scim/v2/Users/{id}":                      {`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":false}]}`},
	"POST /scim/v2/Groups":                           {`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"mine","members":[{"value":"{scim-user}"},{"value":"{user}"}]}`},
	"PUT /scim/v2/Groups/{id}":                       {`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"mine","members":[]}`},
	"PATCH /scim/v2/Groups/{id}":                     {`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":"{scim-user}"}]}]}`},
}

// doors lead into a tenant whoever knocks: links are made for outsiders, and somebody who signs in is nobody yet. They tell what they must, and leave traces there.
var doors = map[string]bool{"POST /api/downloads": true, "POST /api/downloads/about": true, "POST /api/session": true, "GET /api/session/providers": true,
	"GET /api/session/oidc/{id}/start": true, "GET /api/session/oidc/{id}/callback": true, "POST /api/session/oidc/{id}/backchannel-logout": true}

// bare are routes without anything of a tenant: pages, health, descriptions.
var bare = map[string]bool{"/": true, "/api/": true, "/scim/v2/": true, "GET /status": true, "GET /metrics": true, "GET /healthz": true, "GET /readyz": true, "GET /api/openapi.json": true, "GET /api/docs": true}

// contentTypes are those that are not JSON.
func contentTypeOf(route string) string {
	switch {
	case strings.Contains(route, "/scim/"):
		return "application/scim+json"
	case route == "POST /api/downloads", strings.HasSuffix(route, "/backchannel-logout"):
		return "application/x-www-form-urlencoded"
	}
	return "application/json"
}

// with puts the foreign tenant's ids in the place of their names in braces.
func (o *occupant) with(body string, escape func(string) string) string {
	for name, id := range o.ids {
		body = strings.ReplaceAll(body, "{"+name+"}", escape(id))
	}
	return strings.ReplaceAll(body, "\"=zkanary", "\"zkanary")
}

// value is what a table asks for: =text is the text itself, anything else the foreign tenant's id of that name.
func (o *occupant) value(name string) (string, bool) {
	if text, is := strings.CutPrefix(name, "="); is {
		return text, true
	}
	v, is := o.ids[name]
	return v, is
}

func escaped(route string) func(string) string {
	if route == "POST /api/downloads" {
		return url.QueryEscape
	}
	return func(s string) string { return s }
}
