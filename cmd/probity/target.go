package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"probity.dev/app"
	"probity.dev/client"
	"probity.dev/internal/actor"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
)

// targetHelp is part of the help of every command that works on a server or a data directory.
const targetHelp = `It works on a server when --server (or PROBITY_SERVER) is given, with an API key from PROBITY_API_KEY, --api-key-file or --api-key;
otherwise on the data directory of --data, which no server may have open at the same time.`

// target says which ledger a command works on.
type target struct {
	server, key, keyFile, tenant string
	masked                       bool
}

func (t *target) bind(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&t.server, "server", "", "address of a server, such as https://audit.example.com (PROBITY_SERVER)")
	f.StringVar(&t.key, "api-key", "", "API key; other users of the machine can see it in the list of processes, so prefer PROBITY_API_KEY")
	f.StringVar(&t.keyFile, "api-key-file", "", "file that holds the API key")
	f.StringVar(&t.tenant, "tenant", "", "name or id of the tenant, when a data directory holds several")
	settings(c, dataSettings...)
}

// bindMasked adds --masked.
func (t *target) bindMasked(c *cobra.Command) {
	c.Flags().BoolVar(&t.masked, "masked", false, "show what an auditor would see, personal values masked, even with the right to see more")
}

// place is an open target.
type place struct {
	// Client reaches the ledger, on a server or in this process.
	Client *client.Client
	// App is set for a data directory, with the tenant and who works on it.
	App    *app.App
	Tenant ledger.TenantInfo
	By     actor.Principal
	// Name is what to call it.
	Name string
}

// Close closes a data directory; what was read is recorded then.
func (p *place) Close() error {
	if p.App == nil {
		return nil
	}
	return p.App.Close()
}

// open opens the target.
func (t *target) open(c *cobra.Command) (*place, error) {
	address, err := t.address(c)
	if err != nil {
		return nil, err
	}
	if address != "" {
		return t.openServer(address)
	}
	cfg, err := quiet(c)
	if err != nil {
		return nil, err
	}
	return t.openDirectory(c.Context(), cfg, c)
}

// address is that of the server, "" when a data directory is meant.
func (t *target) address(c *cobra.Command) (string, error) {
	data := c.Flags().Changed("data")
	switch {
	case t.server != "" && data:
		return "", usage("give --server or --data, not both")
	case t.server == "" && !data:
		t.server = os.Getenv("PROBITY_SERVER")
	}
	if t.server == "" && t.key+t.keyFile != "" {
		return "", usage("an API key goes with --server")
	}
	return t.server, nil
}

func (t *target) apiKey() (string, error) {
	switch {
	case t.key != "":
		return t.key, nil
	case t.keyFile != "":
		b, err := os.ReadFile(t.keyFile)
		return strings.TrimSpace(string(b)), err
	}
	return strings.TrimSpace(os.Getenv("PROBITY_API_KEY")), nil
}

func (t *target) openServer(address string) (*place, error) {
	key, err := t.apiKey()
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, usage("a server needs an API key: set PROBITY_API_KEY, or give --api-key-file")
	}
	if t.tenant != "" {
		return nil, usage("--tenant is for data directories; at a server the API key says which tenant")
	}
	options := []client.Option{client.WithUserAgent("probity/" + app.Version)}
	if t.masked {
		options = append(options, client.WithHTTPClient(&http.Client{Transport: masked{http.DefaultTransport}}))
	}
	cl, err := client.New(address, key, options...)
	if err != nil {
		return nil, usage("%s is not the address of a server; write https://audit.example.com", address)
	}
	return &place{Client: cl, Name: address}, nil
}

// masked asks for masked values with every request.
type masked struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (m masked) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(app.MaskedHeader, "true")
	return m.RoundTripper.RoundTrip(r)
}

// openDirectory opens the data directory in this process and acts there as the system.
func (t *target) openDirectory(ctx context.Context, cfg *config.Config, c *cobra.Command) (p *place, err error) {
	a, err := app.Open(ctx, cfg, c.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	p = &place{App: a, Name: cfg.Data}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if p.Tenant, err = t.pick(ctx, a); err != nil {
		return nil, err
	}
	p.By = app.Operator(p.Tenant.ID, t.masked)
	h, err := a.Client(p.By)
	if err != nil {
		return nil, err
	}
	p.Client, err = client.New("http://"+cfg.InstanceName, "", client.WithHTTPClient(h), client.WithRetries(0))
	return p, err
}

// pick finds the tenant that was named, or the only one.
func (t *target) pick(ctx context.Context, a *app.App) (ledger.TenantInfo, error) {
	all, err := a.Ledger.Tenants(ctx)
	if err != nil {
		return ledger.TenantInfo{}, err
	}
	var names []string
	var found []ledger.TenantInfo
	for _, x := range all {
		if t.tenant == x.ID || t.tenant == x.Name || t.tenant == "" && len(all) == 1 {
			found = append(found, x)
		}
		names = append(names, x.Name)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return ledger.TenantInfo{}, usage("several tenants are called %q; name one by its id (probity tenant list)", t.tenant)
	}
	if t.tenant == "" {
		return ledger.TenantInfo{}, usage("the data directory holds several tenants; choose one with --tenant: %s", strings.Join(names, ", "))
	}
	return ledger.TenantInfo{}, errs.New(errs.NotFound, "there is no tenant %q; there are: %s", t.tenant, strings.Join(names, ", "))
}
