package secretfile

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// MaxBytes bounds what is read of a file.
const MaxBytes = 1 << 20

// shared are the directories in which container engines put secrets: with a mode that lets everybody read them, in a file system that belongs to the container.
var shared = []string{"/run/secrets", "/var/run/secrets"}

// Read returns the content of the file at path. A file that everybody on the machine may read or write is refused (its group may read it), except below /run/secrets, where container
// engines put what only one container sees; so are directories and files above MaxBytes. Links are followed, since mounted secrets are links, and the file they lead to is what counts.
func Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := check(path, info.Mode()); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, MaxBytes)
	}
	return b, nil
}

// check judges by what Stat says of the open file, so that nobody can put another one in its place between the two.
func check(path string, mode os.FileMode) error {
	if mode.IsDir() {
		return fmt.Errorf("%s is a directory", path)
	}
	if !mode.IsRegular() { // a pipe that a shell made, such as <(command), is the process's own
		return nil
	}
	switch {
	case mode.Perm()&0o002 != 0:
		return fmt.Errorf("%s may be written by everybody (mode %04o): run chmod 600 on it", path, mode.Perm())
	case mode.Perm()&0o004 != 0 && !container(path):
		return fmt.Errorf("%s may be read by everybody (mode %04o): run chmod 600 on it", path, mode.Perm())
	}
	return nil
}

func container(path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	for _, dir := range shared {
		if strings.HasPrefix(path, dir+"/") {
			return true
		}
	}
	return false
}
