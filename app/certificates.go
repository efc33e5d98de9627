package app

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"probity.dev/internal/api"
)

var (
	expiryGauge = gauge("tls_certificate_expiry_timestamp_seconds", "When the TLS certificate in use expires, in seconds since 1970. Absent without TLS.")
	staleGauge  = gauge("tls_certificate_stale", "1 when the last attempt to renew the TLS certificate, from files or an authority, failed. Absent without TLS.")
)

// certificates are what the server shows. The zero value is a server without TLS.
type certificates struct {
	source api.CertificateSource
	files  *api.Certificates // when they come from files
	watch  func(context.Context)
}

// openCertificates loads the server's key pair, or prepares to get one, if TLS is configured.
func (a *App) openCertificates() error {
	c := &a.certificates
	switch cfg := a.Config; {
	case cfg.TLSCert != "":
		files, err := api.OpenCertificates(cfg.TLSCert, cfg.TLSKey, a.telemetry.Logger)
		if err != nil {
			return err
		}
		c.source, c.files, c.watch = files, files, files.Watch
	case len(cfg.ACMEHosts) > 0:
		acme := api.OpenACME(api.ACMEOptions{Hosts: cfg.ACMEHosts, Email: cfg.ACMEEmail, Directory: cfg.ACMEDirectory, Dir: filepath.Join(cfg.Data, "acme"), Logger: a.telemetry.Logger})
		c.source, c.watch = acme, acme.Watch
	default:
		return nil
	}
	a.telemetry.Registry.MustRegister(certificateFigures{c.source})
	return nil
}

// reload takes renewed certificates into use, when their files change and at once on SIGHUP. Without TLS the signal does nothing: it must not end a server whose unit sends it to reload.
func (a *App) reload(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	if a.certificates.watch != nil {
		go a.certificates.watch(ctx)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			if a.certificates.files != nil {
				_ = a.certificates.files.Reload() // it says in the log how it went
			}
		}
	}
}

// certificateFigures are what Prometheus learns of the certificate.
type certificateFigures struct{ c api.CertificateSource }

// Describe implements prometheus.Collector.
func (f certificateFigures) Describe(to chan<- *prometheus.Desc) {
	to <- expiryGauge
	to <- staleGauge
}

// Collect implements prometheus.Collector.
func (f certificateFigures) Collect(to chan<- prometheus.Metric) {
	if at := f.c.NotAfter(); !at.IsZero() {
		to <- prometheus.MustNewConstMetric(expiryGauge, prometheus.GaugeValue, float64(at.Unix()))
	}
	to <- prometheus.MustNewConstMetric(staleGauge, prometheus.GaugeValue, one(f.c.Stale()))
}
