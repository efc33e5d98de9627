package app

import (
	"context"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"probity.dev/ledger"
)

// scrapeTime bounds how long a scrape may look at the database.
const scrapeTime = 5 * time.Second

// gauges are figures that are looked up when somebody asks for them.
type gauges struct{ a *App }

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("probity_"+name, help, labels, nil)
}

var (
	frozenGauge     = gauge("log_frozen", "1 for a log that takes no events, because its database does not extend what was signed or nobody knows what was.", "log_id")
	eventsGauge     = gauge("log_events", "Events in the log, in its present epoch.", "log_id")
	epochGauge      = gauge("log_epoch", "Number of the log's present epoch; above 0 after a lossy restore.", "log_id")
	unsealedGauge   = gauge("unsealed_events", "Events that are in the database and not in a sealed file yet.", "log_id")
	uncoveredGauge  = gauge("uncovered_events", "Events that no signed checkpoint covers yet.", "log_id")
	signedGauge     = gauge("checkpoint_timestamp_seconds", "When the newest checkpoint was signed, in seconds since 1970.", "log_id")
	verifiedGauge   = gauge("verification_ok", "1 when the newest verification of the log and its working copies found nothing wrong, 0 when it did.", "log_id")
	verifiedAtGauge = gauge("verification_timestamp_seconds", "When the newest verification ended, in seconds since 1970.", "log_id")
	verifiedNGauge  = gauge("verification_events", "Events that the newest verification covered, in the present epoch.", "log_id")
	pendingGauge    = gauge("pending_events", "Events of the product itself that wait for a frozen log, such as sign-ins.")
	walGauge        = gauge("database_wal_bytes", "Size of the database's write-ahead log.")
	waitingGauge    = gauge("deliveries_waiting", "Deliveries of notifications that are to be tried or tried again, of all tenants.")
	deadGauge       = gauge("deliveries_dead", "Dead letters of notifications that nobody has replayed or discarded, of all tenants.")
	lateGauge       = gauge("delivery_lateness_seconds", "How long the delivery that has waited longest for its first attempt has waited.")
	kmsGauge        = gauge("kms_up", "1 when the key-management service did what it was last asked for, 0 when it did not.")
	keyAgeGauge     = gauge("key_age_seconds", "How long a key has been in use: master (all logs), tenant, signing.", "key", "log_id")
	keyBehindGauge  = gauge("keys_behind", "Keysets and secrets that are not wrapped under the present version of the master key.")
	freeGauge       = gauge("data_free_bytes", "Room that is left on the file system of the data directory.")
	sizeGauge       = gauge("data_size_bytes", "Size of the file system of the data directory.")
	ratioGauge      = gauge("availability_ratio", "Share of the minutes of the last 30 days, as far as they were measured, in which the service was there.")
	budgetGauge     = gauge("error_budget_left_minutes", "Minutes of the last 30 days that may still be lost before the objective is missed; negative when it is.")
	partGauge       = gauge("part_state", "How a part of the service works: 0 as it should, 1 degraded, 2 not at all.", "part")
	scrapeGauge     = gauge("scrape_error", "1 when figures are missing because the database could not be read.")
)

// Describe implements prometheus.Collector.
func (g gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{frozenGauge, eventsGauge, epochGauge, unsealedGauge, uncoveredGauge, signedGauge, verifiedGauge, verifiedAtGauge, verifiedNGauge, pendingGauge,
		walGauge, waitingGauge, deadGauge, lateGauge, kmsGauge, keyAgeGauge, keyBehindGauge, freeGauge, sizeGauge, ratioGauge, budgetGauge, partGauge, scrapeGauge} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (g gauges) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	failed := 0.0
	if g.logs(ctx, to) != nil || g.database(ctx, to) != nil || g.keys(ctx, to) != nil {
		failed = 1
	}
	g.service(ctx, to)
	to <- prometheus.MustNewConstMetric(scrapeGauge, prometheus.GaugeValue, failed)
}

func (g gauges) logs(ctx context.Context, to chan<- prometheus.Metric) error {
	tenants, err := g.a.Ledger.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		h, err := g.a.Ledger.Head(ctx, t.ID)
		if err != nil {
			return err
		}
		l, err := g.a.verifier.last(ctx, t.ID)
		if err != nil {
			return err
		}
		set := func(d *prometheus.Desc, value float64) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, t.LogID)
		}
		logFigures(set, &h)
		if l != nil {
			set(verifiedGauge, one(l.OK))
			set(verifiedAtGauge, float64(l.At.UnixMilli())/1000)
			set(verifiedNGauge, float64(l.Size))
		}
	}
	return nil
}

func logFigures(set func(*prometheus.Desc, float64), h *ledger.Head) {
	set(frozenGauge, one(h.Frozen != ""))
	set(eventsGauge, float64(h.Next-h.Base))
	set(epochGauge, float64(h.Epoch))
	set(unsealedGauge, float64(h.Next-h.Base)-float64(h.Sealed))
	set(uncoveredGauge, float64(h.Next)-float64(h.Published))
	if !h.SignedAt.IsZero() {
		set(signedGauge, float64(h.SignedAt.UnixMilli())/1000)
	}
}

func (g gauges) keys(ctx context.Context, to chan<- prometheus.Metric) error {
	m, err := g.a.MasterKeyState(ctx)
	if err != nil {
		return err
	}
	to <- prometheus.MustNewConstMetric(kmsGauge, prometheus.GaugeValue, one(m.Problem == ""))
	to <- prometheus.MustNewConstMetric(keyBehindGauge, prometheus.GaugeValue, float64(m.Behind))
	since := func(key, logID string, t time.Time) {
		to <- prometheus.MustNewConstMetric(keyAgeGauge, prometheus.GaugeValue, time.Since(t).Seconds(), key, logID)
	}
	since("master", "", m.Since)
	tenants, err := g.a.Ledger.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		k, err := g.a.Ledger.Keys(ctx, t.ID)
		if err != nil {
			return err
		}
		since("tenant", t.LogID, k.Keyset.Since)
		since("signing", t.LogID, k.Signing[0].CreatedAt)
	}
	return nil
}

func (g gauges) database(ctx context.Context, to chan<- prometheus.Metric) error {
	var pending int64
	err := g.a.db.Read(ctx).QueryRowContext(ctx, `SELECT COUNT(*) FROM pending_event`).Scan(&pending)
	if err != nil {
		return err
	}
	set := func(d *prometheus.Desc, value int64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value))
	}
	set(pendingGauge, pending)
	backlog, err := g.a.notify.Service.Backlog(ctx)
	if err != nil {
		return err
	}
	set(waitingGauge, backlog.Waiting)
	set(deadGauge, backlog.Dead)
	set(lateGauge, int64(backlog.Late.Seconds()))
	if info, err := os.Stat(databasePath(g.a.Config.Data) + "-wal"); err == nil {
		set(walGauge, info.Size())
	}
	return nil
}

// service says how the service as a whole is.
func (g gauges) service(ctx context.Context, to chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	if free, size, err := space(g.a.Config.Data); err == nil {
		set(freeGauge, free)
		set(sizeGauge, size)
	}
	l := g.a.status.now(ctx)
	for _, p := range l.parts {
		set(partGauge, map[State]float64{StateOK: 0, StateDegraded: 1, StateDown: 2}[p.State], p.ID)
	}
	if l.report != nil {
		set(ratioGauge, l.report.Ratio())
		set(budgetGauge, float64(l.report.Left))
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
