package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"probity.dev/internal/config"
	"probity.dev/internal/errs"
)

func newHealth() *cobra.Command {
	c := &cobra.Command{
		Use: "health", Short: "Ask the server on this machine whether it is ready", Args: cobra.NoArgs,
		Example: "  probity health --listen :8780",
		Long: `Asks the server that has the same settings (--listen, --tls-cert, --config and the environment) whether it can do its work, as GET /readyz does, and exits 0 when it can.
It is for health checks of containers, whose image need not hold another program for it.
The certificate is not verified: the server is asked under the address that it listens on, which no certificate names.`,
	}
	settings(c, "listen", "tls-cert", "tls-key", "acme-hosts")
	timeout := c.Flags().Duration("timeout", 5*time.Second, "how long the answer may take")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load(c)
		if err != nil {
			return err
		}
		shown := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true} //nolint:gosec // no secret is sent, see above
		if len(cfg.ACMEHosts) > 0 {
			shown.ServerName = cfg.ACMEHosts[0]
		}
		client := &http.Client{Timeout: *timeout, Transport: &http.Transport{Proxy: nil, TLSClientConfig: shown}}
		r, err := http.NewRequestWithContext(c.Context(), http.MethodGet, readyURL(cfg), nil)
		if err != nil {
			return err
		}
		res, err := client.Do(r)
		if err != nil {
			return errs.Wrap(errs.Unavailable, err, "no server answers")
		}
		defer res.Body.Close()
		var state struct{ Status, Detail string }
		if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&state); err != nil || state.Status == "" {
			return errs.New(errs.Unavailable, "what answers is no probity")
		}
		if res.StatusCode != http.StatusOK {
			return errs.New(errs.Unavailable, "%s: %s", state.Status, state.Detail)
		}
		fmt.Fprintln(c.OutOrStdout(), state.Status)
		return nil
	}
	return c
}

// readyURL is where the server with these settings says whether it is ready, as seen from the same machine.
func readyURL(cfg *config.Config) string {
	scheme := "http"
	if cfg.ServesTLS() {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/readyz"
}
