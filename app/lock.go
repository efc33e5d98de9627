package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"probity.dev/internal/errs"
)

// lockDir makes sure that one process at a time works on a data directory: two would each keep a head of the log in memory. The kernel
// drops the lock when the process ends, however it ends.
func lockDir(dir string) (io.Closer, error) {
	if err := checkAccount(dir, os.Geteuid()); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "LOCK")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		b, _ := io.ReadAll(io.LimitReader(f, 32)) // who holds it is a courtesy
		f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the data directory: %w", err)
		}
		return nil, errs.New(errs.Conflict, "another probity (process %s) works on %s; stop it first, or use --server to reach it", strings.TrimSpace(string(b)), dir)
	}
	if err := errors.Join(f.Truncate(0), writePID(f)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// checkAccount refuses root where the directory is another account's: files that root makes there could not be written by the server, which would stop at the first of them.
func checkAccount(dir string, euid int) error {
	info, err := os.Stat(dir)
	if err != nil || euid != 0 {
		return nil //nolint:nilerr // what opens the directory says so better
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return nil
	}
	owner := strconv.FormatUint(uint64(st.Uid), 10)
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	} else {
		owner = "'#" + owner + "'"
	}
	return errs.New(errs.Conflict, "%s belongs to the account %s, and files that root makes there would be out of its reach; run the command as that account: sudo -u %s probity …", dir, owner, owner)
}

func writePID(f *os.File) error {
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}
