package app

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity.dev/internal/blob/blobtest"
	"probity.dev/internal/config"
	"probity.dev/internal/sqldb/sqldbtest"
)

// TestNothingInTheDirectory opens an installation whose directory holds neither the master key nor the high-water mark, as on a further server, and refuses one that was never made.
func TestNothingInTheDirectory(t *testing.T) {
	sqldbtest.Only(t, sqldbtest.Postgres, testNothingInTheDirectory)
}

func testNothingInTheDirectory(t *testing.T) {
	s := blobtest.Start(t)
	at := s.Bucket(true, 0)
	k := newKeyring(t, "file:"+filepath.Join(t.TempDir(), "master.key"), func(c *config.Config) {
		c.Storage, c.StorageAccessKey, c.StorageSecretKey, c.StorageLock = "s3://"+at.Bucket+"?endpoint=http://"+s.Address, s.AccessKey, s.SecretKey, "governance"
	})
	for _, path := range []string{masterKeyPath(k.cfg.Data), highWaterPath(k.cfg.Data)} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: %v", path, err)
		}
	}
	k.append()
	k.close()

	c := *k.cfg
	c.Database = sqldbtest.Address(t, t.TempDir())
	if _, err := Open(context.Background(), &c, io.Discard); err == nil || !strings.Contains(err.Error(), "holds no data yet") {
		t.Errorf("an empty database: %v", err)
	}
	c = *k.cfg
	c.Data, c.KMS = t.TempDir(), ""
	if _, err := Open(context.Background(), &c, io.Discard); err == nil || !strings.Contains(err.Error(), "copy of the first one's keys/master.key") {
		t.Errorf("a further server without the key: %v", err)
	}
}

// TestInitAfterOneThatFailed makes an installation in the directory in which init has found the wrong bucket before.
func TestInitAfterOneThatFailed(t *testing.T) {
	s := blobtest.Start(t)
	cfg := config.Defaults()
	cfg.Data, cfg.StorageAccessKey, cfg.StorageSecretKey, cfg.StorageLock = filepath.Join(t.TempDir(), "data"), s.AccessKey, s.SecretKey, "governance"
	o := InitOptions{Tenant: "T", Email: "admin@example.com", Name: "A", KeyName: "k"}
	cfg.Storage = "s3://" + s.Bucket(false, 0).Bucket + "?endpoint=http://" + s.Address
	if _, err := Init(t.Context(), cfg, o, io.Discard); err == nil || !strings.Contains(err.Error(), "Object Lock") {
		t.Fatal(err)
	}
	cfg.Storage = "s3://" + s.Bucket(true, 0).Bucket + "?endpoint=http://" + s.Address
	if _, err := Init(t.Context(), cfg, o, io.Discard); err != nil {
		t.Fatal(err)
	}
}
