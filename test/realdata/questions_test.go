package realdata

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"probity.dev/test/instance"
)

// counts compares the number of events of each source with that of the records.
func counts(t *testing.T, b *box) {
	want := map[string]int{"aws.cloudtrail": len(b.files.trails), "panther": pantherAccepted}
	got := map[string]int{}
	n := 0
	b.Walk("", func(v *instance.View) {
		if v.Source == "probity" {
			return
		}
		got[v.Source]++
		n++
	})
	for source, n := range want {
		if got[source] != n {
			t.Errorf("%s: %d events, want %d", source, got[source], n)
		}
	}
	if n != b.total || len(b.files.trails) != 3545 {
		t.Errorf("%d events, %d were accepted; %d CloudTrail ids: %v", n, b.total, len(b.files.trails), got)
	}
	var stats struct {
		Total   int
		Sources map[string]int
	}
	b.Get("/api/stats?source=aws.cloudtrail", &stats)
	if stats.Total != 3545 {
		t.Errorf("the statistics count %d CloudTrail events", stats.Total)
	}
}

func action(r *trail) string {
	return strings.TrimSuffix(r.EventSource, ".amazonaws.com") + "." + strings.ToLower(r.EventName)
}

// refused reports whether CloudTrail's error says that somebody was not allowed to.
func refused(r *trail) bool {
	code := r.ErrorCode[strings.LastIndexByte(r.ErrorCode, '.')+1:]
	return slices.ContainsFunc([]string{"AccessDenied", "Unauthorized", "Forbidden", "NotAuthorized", "AuthFailure", "OptInRequired"}, func(p string) bool { return strings.HasPrefix(code, p) })
}

// searches asks questions whose answers the files give.
func searches(t *testing.T, b *box) {
	f := b.files
	is := func(name string) func(*trail) bool { return func(r *trail) bool { return r.EventName == name } }
	for query, want := range map[string]int{
		"action=ssh.invalid_user&ip=220.99.93.50":  409,
		"action=ssh.invalid_user&ip=173.192.158.3": 303,
		"action=ssh.invalid_user&ip=67.205.20.23":  f.invalidUsers("67.205.20.23"),
		"action=ssh.invalid_user":                  1489,
		"action=ssh.invalid_user&ip=192.0.2.1":     0,
		"action=signin.consolelogin":               f.count(is("ConsoleLogin")),
		"action=signin.consolelogin&outcome=failure": f.count(func(r *trail) bool {
			return r.EventName == "ConsoleLogin" && r.ResponseElements.ConsoleLogin == "Failure"
		}),
		"action=s3.deletebucket":                           f.count(is("DeleteBucket")),
		"action=s3.*&source=aws.*":                         f.count(func(r *trail) bool { return r.EventSource == "s3.amazonaws.com" }),
		"action=*.deletebucket&source=aws.*":               f.count(is("DeleteBucket")),
		"action=iam.createaccesskey&action=iam.createuser": f.count(func(r *trail) bool { return r.EventName == "CreateAccessKey" || r.EventName == "CreateUser" }),
		"source=aws.cloudtrail&outcome=denied":             f.count(refused),
		"source=aws.cloudtrail&outcome=success": f.count(func(r *trail) bool {
			return r.ErrorCode == "" && r.ErrorMessage == "" && r.ResponseElements.ConsoleLogin != "Failure"
		}),
		"source=aws.cloudtrail&from=2023-07-10T12:00:00Z&to=2023-07-10T12:05:00Z": f.count(func(r *trail) bool {
			return r.EventTime >= "2023-07-10T12:00:00Z" && r.EventTime < "2023-07-10T12:05:00Z"
		}),
		"source=aws.cloudtrail&from=2017-06-01&to=2017-06-01":    f.count(func(r *trail) bool { return strings.HasPrefix(r.EventTime, "2017-06-01") }),
		"source=splunk.audittrail&outcome=denied":                -1,
		"text=stratus-red-team&source=aws.cloudtrail&limit=1000": -1,
	} {
		if got := b.Count(query); want >= 0 && got != want {
			t.Errorf("%s finds %d events, want %d", query, got, want)
		} else if want < 0 && got == 0 && !strings.HasPrefix(query, "source=splunk") {
			t.Errorf("%s finds nothing", query)
		}
	}
	outcomes(t, b)
	for i := 0; i < len(f.trails); i += 97 { // each by its own id, as it was recorded
		r := &f.trails[i]
		var v struct {
			ID, Action string
			At         string `json:"occurred_at"`
		}
		b.Get("/api/event-lookup?source=aws.cloudtrail&id="+url.QueryEscape(r.EventID), &v)
		if v.Action != strings.ReplaceAll(action(r), " ", "_") || !strings.HasPrefix(v.At, strings.TrimSuffix(r.EventTime, "Z")) {
			t.Errorf("%s is %+v", r.EventID, v)
		}
	}
}

// outcomes compares every CloudTrail event's outcome with its record's error.
func outcomes(t *testing.T, b *box) {
	t.Helper()
	want := map[string]*trail{}
	for i := range b.files.trails {
		want[b.files.trails[i].EventID] = &b.files.trails[i]
	}
	wrong := 0
	b.Walk("source=aws.cloudtrail", func(v *instance.View) {
		var e struct{ Outcome struct{ Status string } }
		if err := json.Unmarshal(v.JSON, &e); err != nil {
			t.Fatal(err)
		}
		r := want[v.ID]
		status := "success"
		switch {
		case refused(r):
			status = "denied"
		case r.ErrorCode != "" || r.ErrorMessage != "" || r.ResponseElements.ConsoleLogin == "Failure":
			status = "failure"
		}
		if e.Outcome.Status != status {
			if wrong++; wrong < 5 {
				t.Errorf("%s with the error %q is a %s", r.EventName, r.ErrorCode, e.Outcome.Status)
			}
		}
	})
}

// history follows one thing through its life.
func history(t *testing.T, b *box) {
	var found struct {
		Items []struct {
			Resource struct{ Type, ID string }
		}
	}
	b.Get("/api/events?action=s3.deletebucket&limit=1", &found)
	if len(found.Items) != 1 || found.Items[0].Resource.ID == "" {
		t.Fatalf("the bucket that was deleted has no name: %+v", found)
	}
	r := found.Items[0].Resource
	var page struct {
		Items []instance.View
		Next  string `json:"next_cursor"`
	}
	b.Get("/api/resources/"+url.PathEscape(r.Type)+"/"+url.PathEscape(r.ID)+"/history?limit=1000", &page)
	if n := b.Count("resource=" + url.QueryEscape(r.Type+"/"+r.ID)); len(page.Items) != n || n < 2 || page.Next != "" {
		t.Errorf("the history of a bucket has %d events, a search finds %d", len(page.Items), n)
	}
	if !slices.ContainsFunc(page.Items, func(v instance.View) bool { return v.Action == "s3.deletebucket" }) {
		t.Error("its end is not in its history")
	}
	for i := 1; i < len(page.Items); i++ {
		if page.Items[i].Seq >= page.Items[i-1].Seq {
			t.Error("the history is not in order")
		}
	}
}
