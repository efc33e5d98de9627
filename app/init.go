package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/google/uuid"

	"probity.dev/access"
	"probity.dev/internal/actor"
	"probity.dev/internal/config"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
)

// InitOptions say what a new data directory begins with.
type InitOptions struct {
	Tenant   string
	Email    string
	Name     string
	Password string // made when empty
	KeyName  string
}

// InitResult is what must be kept of a new installation. Password and key are shown this once.
type InitResult struct {
	Data      string `json:"data"`
	TenantID  string `json:"tenant_id"`
	Tenant    string `json:"tenant"`
	LogID     string `json:"log_id"`
	Origin    string `json:"origin"`
	VKey      string `json:"vkey"`
	Email     string `json:"email"`
	Password  string `json:"password"`
	APIKey    string `json:"api_key"`
	MasterKey string `json:"master_key_file"` // the path of a file, or the name of a key elsewhere
	URL       string `json:"url"`
}

// Init makes a data directory: master key, database, a tenant with its log, the first admin and the first API key, which may do everything. A directory that
// holds data already is refused.
func Init(ctx context.Context, cfg *config.Config, o InitOptions, logs io.Writer) (res *InitResult, err error) {
	if hasData(cfg) {
		return nil, errs.New(errs.Conflict, "%s holds data already; choose another directory", cfg.Data)
	}
	if err := checkComplete(cfg.Data); err != nil {
		return nil, err
	}
	if err := checkEmpty(ctx, cfg); err != nil {
		return nil, err
	}
	if err := checkAccount(cfg.Data, os.Geteuid()); err != nil {
		return nil, err
	}
	if cfg.Storage != "" { // before anything is made: otherwise the directory would hold data, and the next attempt would be refused
		if err := checkStorage(ctx, cfg); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	key, err := createKMS(ctx, cfg)
	if err != nil {
		return nil, err
	}
	a, err := open(ctx, cfg, key, logs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	return a.AddTenant(ctx, o)
}

// checkStorage reports whether an installation could begin in the storage of cfg. It leaves nothing behind, there or here.
func checkStorage(ctx context.Context, cfg *config.Config) error {
	dir, err := os.MkdirTemp("", "probity-init-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	elsewhere := *cfg
	elsewhere.Data = dir
	s, err := openStorage(ctx, &elsewhere)
	if err != nil {
		return err
	}
	owner, err := s.owner(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = errs.New(errs.Conflict, "the storage belongs to another installation (its id is %s). Give every installation a prefix of its own", owner)
	}
	return err
}

// AddTenant makes a tenant with its log, its first admin and its first API key.
func (a *App) AddTenant(ctx context.Context, o InitOptions) (*InitResult, error) {
	return a.addTenant(ctx, o, true)
}

// addTenant makes a tenant, and a key for it when that is asked for.
func (a *App) addTenant(ctx context.Context, o InitOptions, withKey bool) (*InitResult, error) {
	if o.Password == "" {
		o.Password = NewPassword()
	}
	t, err := a.Ledger.CreateTenant(ctx, uuid.NewString(), o.Tenant)
	if err != nil {
		return nil, err
	}
	system := actor.System(t.ID)
	if _, err := a.Access.CreateUser(ctx, system, access.NewUser{Email: o.Email, Name: o.Name, Role: actor.RoleAdmin, Password: o.Password}); err != nil {
		return nil, err
	}
	key := ""
	if withKey {
		_, key, err = a.Access.CreateKey(ctx, system, access.NewKey{Name: o.KeyName, Scopes: actor.Permissions()})
	}
	if err != nil {
		return nil, err
	}
	return &InitResult{Data: a.Config.Data, TenantID: t.ID, Tenant: t.Name, LogID: t.LogID, Origin: t.Origin, VKey: t.VKey, Email: o.Email, Password: o.Password, APIKey: key,
		MasterKey: MasterKey(a.Config), URL: "http://" + a.Config.Listen}, nil
}

// NewPassword makes a password of 20 characters without lookalikes, some 116 bits.
func NewPassword() string {
	const alphabet = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	out := make([]byte, 0, 20)
	for len(out) < 20 {
		s := crypt.Secret()
		for _, b := range s {
			if int(b) < 4*len(alphabet) && len(out) < 20 {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}
