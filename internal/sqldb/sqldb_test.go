package sqldb

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T) (*DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db with space?.db")
	db, err := OpenSQLite(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.write.Exec(`CREATE TABLE thing (id INTEGER PRIMARY KEY, body BLOB)`); err != nil {
		t.Fatal(err)
	}
	return db, path
}

func pragma(t *testing.T, on *sql.DB, name string) (v string) {
	t.Helper()
	if err := on.QueryRow("PRAGMA " + name).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEveryConnectionIsSetUp(t *testing.T) {
	db, _ := open(t)
	for _, c := range []struct {
		on         *sql.DB
		name, want string
	}{
		{db.write, "page_size", "8192"}, {db.write, "journal_mode", "wal"}, {db.write, "synchronous", "2"}, {db.write, "foreign_keys", "1"}, {db.write, "wal_autocheckpoint", "0"},
		{db.lite.carry, "wal_autocheckpoint", "0"}, {db.lite.carry, "synchronous", "2"}, {db.read, "query_only", "1"}, {db.read, "journal_mode", "wal"},
	} {
		if got := pragma(t, c.on, c.name); got != c.want {
			t.Errorf("%s is %s, not %s", c.name, got, c.want)
		}
	}
	if _, err := db.Read(t.Context()).Exec(`INSERT INTO thing (body) VALUES ('x')`); err == nil {
		t.Error("a reader could write")
	}
}

func insert(db *DB, size int) error {
	return db.Write(context.Background(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO thing (body) VALUES ($1)`, make([]byte, size))
		return err
	})
}

// TestLogIsCarriedOver writes far more than the write-ahead log may hold and expects it to be folded into the file while commits and reads go on.
func TestLogIsCarriedOver(t *testing.T) {
	db, path := open(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				var n int
				if err := db.Read(context.Background()).QueryRow(`SELECT COUNT(*) FROM thing`).Scan(&n); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	const size, least = 1 << 20, 200
	rows, logSize := 0, int64(0)
	// A slow disk carries it later, so that more is written first.
	for until := time.Now().Add(time.Minute); rows < least || logSize > int64(rows)*size*3/4; rows++ {
		if time.Now().After(until) {
			t.Errorf("the write-ahead log grew to %d MiB while %d MiB were written", logSize>>20, rows*size>>20)
			break
		}
		if err := insert(db, size); err != nil {
			t.Fatal(err)
		}
		if rows%20 == 0 {
			time.Sleep(checkpointEvery / 10)
		}
		if s, err := os.Stat(path + "-wal"); err == nil {
			logSize = max(logSize, s.Size())
		}
	}
	close(stop)
	readers.Wait()
}

func TestCloseFoldsTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	db, err := OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := os.Stat(path + "-wal"); err == nil && s.Size() > 0 {
		t.Errorf("the write-ahead log still has %d bytes", s.Size())
	}
	again, err := OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if from, to, err := again.Migrate(t.Context()); err != nil || from != to {
		t.Errorf("a migrated database was migrated again, from %d to %d (%v)", from, to, err)
	}
}
