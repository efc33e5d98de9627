package app

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/availability"
)

// statusBody is the answer of GET /api/status.
type statusBody struct {
	State        State            `json:"state" enum:"ok,degraded,down" doc:"That of the worst part"`
	CheckedAt    time.Time        `json:"checked_at"`
	Parts        []Part           `json:"parts"`
	Availability availabilityBody `json:"availability"`
}

type availabilityBody struct {
	Objective  float64    `json:"objective" doc:"Share of the minutes that the service is to be there" example:"0.995"`
	WindowDays int        `json:"window_days" doc:"Days, the present one included, that count" example:"30"`
	Since      *time.Time `json:"since,omitempty" doc:"When the measurement began, the beginning of the window at the earliest"`
	Ratio      float64    `json:"ratio" doc:"Share of the measured minutes in which it was there"`
	Measured   int        `json:"measured_minutes"`
	Down       int        `json:"down_minutes"`
	Budget     int        `json:"error_budget_minutes" doc:"Minutes of the window that may be lost"`
	Left       int        `json:"error_budget_left_minutes" doc:"What is left of them; negative when more were lost"`
	Days       []dayBody  `json:"days" doc:"Oldest first, in UTC"`
}

type dayBody struct {
	Date     string `json:"date" example:"2026-11-22"`
	Measured int    `json:"measured_minutes"`
	Down     int    `json:"down_minutes"`
}

func (l *looked) body() statusBody {
	r := l.report
	if r == nil {
		r = &availability.Report{}
	}
	b := statusBody{State: l.state(), CheckedAt: l.at, Parts: l.parts, Availability: availabilityBody{Objective: availability.Objective, WindowDays: availability.Days, Ratio: r.Ratio(),
		Measured: r.Measured, Down: r.Down, Budget: r.Budget, Left: r.Left, Days: []dayBody{}}}
	if !r.Since.IsZero() {
		b.Availability.Since = &r.Since
	}
	for _, d := range r.Days {
		b.Availability.Days = append(b.Availability.Days, dayBody(d))
	}
	return b
}

// register adds GET /api/status and the page /status. Both are for those who are signed in, unless the operator makes them public.
func (s *status) register(h *api.API) {
	public := s.a.Config.StatusPage == "public"
	options := []api.Option{api.Describe("Whether the service was there over the last 30 days, measured every ten seconds, and what does not work as it should at present. A minute counts as lost when no server recorded it, " +
		"when more than half of its checks failed, or when more than one request in twenty was answered with a status from 500 on. It is about the installation, not about a tenant.")}
	if public {
		options = append(options, api.Public())
	}
	type output struct{ Body statusBody }
	huma.Register(h, api.Op("get-status", "GET /api/status", "Availability, and what is degraded", options...), func(ctx context.Context, _ *struct{}) (*output, error) {
		return &output{s.now(ctx).body()}, nil
	})
	h.Handle("GET /status", api.Rule{Public: true}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, signedIn := actor.From(r.Context()); !public && !signedIn {
			http.Redirect(w, r, "/signin?next=%2Fstatus", http.StatusSeeOther)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := statusTemplate.Execute(w, statusView(s.now(r.Context()).body())); err != nil {
			s.a.telemetry.Logger.LogAttrs(r.Context(), slog.LevelDebug, "status page", slog.Any("error", err)) // the reader has gone
		}
	}))
}

//go:embed status.html
var statusHTML string

var statusTemplate = template.Must(template.New("status").Parse(statusHTML))

// statusPage is what the page shows, in words.
type statusPage struct {
	State             State
	Heading           string
	Parts             []Part
	Percent, Goal     string
	Left, Lost, Since string
	Bars              []bar
	Checked           string
}

// bar is one day of the history, drawn in a box 100 high: what is filled shows how much of the measured time the service was there.
type bar struct {
	X, Height, Y float64
	Class        string
	Date, Text   string
}

const barStep = 10

func statusView(b statusBody) statusPage {
	a := b.Availability
	v := statusPage{State: b.State, Parts: b.Parts, Percent: percent(a.Ratio), Goal: percent(a.Objective), Lost: minutes(a.Down), Checked: b.CheckedAt.Format("2006-01-02 15:04:05")}
	v.Heading = map[State]string{StateOK: "Everything works", StateDegraded: "Some parts are degraded", StateDown: "Something is down"}[b.State]
	if a.Left >= 0 {
		v.Left = minutes(a.Left) + " of " + minutes(a.Budget) + " left"
	} else {
		v.Left = "exceeded by " + minutes(-a.Left)
	}
	if a.Since != nil {
		v.Since = a.Since.Format("2006-01-02")
	}
	for i, d := range a.Days {
		v.Bars = append(v.Bars, dayBar(i, d))
	}
	return v
}

// dayBar never draws a day with a loss as whole: ten lost minutes are a hundredth of a day, and could not be seen.
func dayBar(i int, d dayBody) bar {
	x := bar{X: float64(i * barStep), Date: d.Date, Height: 100, Class: "good", Text: "no minute lost"}
	switch share := 1 - float64(d.Down)/float64(max(d.Measured, 1)); {
	case d.Measured == 0:
		x.Class, x.Text = "none", "not measured"
	case d.Down == 0:
	case share >= availability.Objective:
		x.Class, x.Height, x.Text = "fair", 92, minutes(d.Down)+" lost"
	default:
		x.Class, x.Height, x.Text = "bad", max(8, min(85, 100*share)), minutes(d.Down)+" lost"
	}
	x.Y = 100 - x.Height
	return x
}

// percent never rounds up to a whole hundred.
func percent(share float64) string {
	p := float64(int(share*100000+1e-6)) / 1000
	return fmt.Sprintf("%.3f %%", p)
}

// minutes keeps a number and its unit on one line.
func minutes(n int) string {
	switch {
	case n == 1:
		return "1\u00a0minute"
	case n < 120:
		return fmt.Sprintf("%d\u00a0minutes", n)
	}
	return fmt.Sprintf("%d\u00a0h\u00a0%02d\u00a0min", n/60, n%60)
}
