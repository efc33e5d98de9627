package app

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"probity.dev/internal/api"
)

var (
	expiryGauge = gauge("tls_certificate_expiry_timestamp_seconds", "When the TLS certificate in use expires, in seconds since 1970. Absent without tls-cert.")
	staleGauge  = gauge("tls_certificate_stale", "1 when the files of the TLS certificate hold what could not be taken into use. Absent without tls-cert.")
)

// openCertificates loads the server's key pair, if TLS is configured.
func (a *App) openCertificates() (err error) {
	if a.Config.TLSCert == "" {
		return nil
	}
	if a.certificates, err = api.OpenCertificates(a.Config.TLSCert, a.Config.TLSKey, a.telemetry.Logger); err != nil {
		return err
	}
	a.telemetry.Registry.MustRegister(certificateFigures{a.certificates})
	return nil
}

// reload takes renewed certificates into use, when their files change and at once on SIGHUP. Without TLS the signal does nothing: it must not end a server whose unit sends it to reload.
func (a *App) reload(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	if a.certificates != nil {
		go a.certificates.Watch(ctx)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			if a.certificates != nil {
				_ = a.certificates.Reload() // it says in the log how it went
			}
		}
	}
}

// certificateFigures are what Prometheus learns of the certificate.
type certificateFigures struct{ c *api.Certificates }

// Describe implements prometheus.Collector.
func (f certificateFigures) Describe(to chan<- *prometheus.Desc) {
	to <- expiryGauge
	to <- staleGauge
}

// Collect implements prometheus.Collector.
func (f certificateFigures) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(expiryGauge, prometheus.GaugeValue, float64(f.c.NotAfter().Unix()))
	to <- prometheus.MustNewConstMetric(staleGauge, prometheus.GaugeValue, one(f.c.Stale()))
}
