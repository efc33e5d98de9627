package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite what the stories expect, and docs/cli")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"probity": main})
}

// TestStories plays the stories in test/scripts, which drive the program as a person or a script would.
func TestStories(t *testing.T) {
	if testing.Short() {
		t.Skip("the stories start the program many times")
	}
	testscript.Run(t, testscript.Params{
		Dir: "../../test/scripts", UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("TZ", "UTC")
			e.Setenv("PROBITY_SCRUB_AT", "off")
			return os.Mkdir(filepath.Join(e.WorkDir, "home"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "start": start, "halt": stop, "norm": norm, "pick": pick, "waitfor": waitFor, "events": events, "interrupt": interrupt,
			"killbackups": killBackups, "flip": flip, "drop": drop, "edit": edit, "flipzip": flipZip,
		},
	})
}

// code runs a program and asks for an exit code: code 2 probity search --from nonsense
func code(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if neg || got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// program prepares the program with the script's environment.
func program(ts *testscript.TestScript, args ...string) *exec.Cmd {
	path, err := exec.LookPath("probity")
	ts.Check(err)
	c := exec.Command(path, args...)
	c.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TZ", "PROBITY_SCRUB_AT", "PROBITY_API_KEY", "PROBITY_SERVER"} {
		if v := ts.Getenv(name); v != "" {
			c.Env = append(c.Env, name+"="+v)
		}
	}
	return c
}

// running is the server that a script started.
type running struct {
	cmd    *exec.Cmd
	output lockedBuffer
	ended  chan error
}

// serving holds the server of each story. Stories run side by side.
var (
	storyLock sync.Mutex
	serving   = map[*testscript.TestScript]*running{}
)

var servingAt = regexp.MustCompile(`(http://127\.0\.0\.1:\d+)`)

// start starts a server on a free port, waits until it serves, and puts its address into $PROBITY_SERVER: start serve --data d
func start(ts *testscript.TestScript, _ bool, args []string) {
	r := &running{cmd: program(ts, append(args, "--listen", "127.0.0.1:0")...), ended: make(chan error, 1)}
	out, err := r.cmd.StdoutPipe()
	ts.Check(err)
	r.cmd.Stderr = &r.output
	ts.Check(r.cmd.Start())
	address := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := servingAt.FindString(lines.Text()); m != "" {
				select {
				case address <- m:
				default:
				}
			}
		}
		r.ended <- r.cmd.Wait()
	}()
	ts.Defer(func() { _ = r.cmd.Process.Kill() })
	select {
	case a := <-address:
		ts.Setenv("PROBITY_SERVER", a)
	case err := <-r.ended:
		ts.Fatalf("the server ended: %v\n%s", err, r.output.String())
	case <-time.After(time.Minute):
		ts.Fatalf("the server does not start")
	}
	storyLock.Lock()
	serving[ts] = r
	storyLock.Unlock()
}

// stop, in stories halt, since stop is a word of their own, stops the server as Ctrl-C does and asks that it ends well.
func stop(ts *testscript.TestScript, _ bool, _ []string) {
	storyLock.Lock()
	r := serving[ts]
	storyLock.Unlock()
	ts.Check(r.cmd.Process.Signal(os.Interrupt))
	select {
	case err := <-r.ended:
		ts.Check(err)
	case <-time.After(30 * time.Second):
		ts.Fatalf("the server does not stop")
	}
	ts.Setenv("PROBITY_SERVER", "")
}

// waitFor waits until the server has written a text to standard error.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	storyLock.Lock()
	r := serving[ts]
	storyLock.Unlock()
	for range 600 {
		if strings.Contains(r.output.String(), args[0]) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("the server did not write %q:\n%s", args[0], r.output.String())
}

// lockedBuffer is written by the server's output and read by the story.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// changing is what differs from run to run.
var changing = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`probity\.local/[0-9a-f]{16}/0\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}`), "VKEY"},
	{regexp.MustCompile(`probity\.local/[0-9a-f]{16}/0\+[0-9a-f]{8}`), "KEYID"},
	{regexp.MustCompile(`probity\.local/[0-9a-f]{16}/0`), "LOG"},
	{regexp.MustCompile(`pk_[0-9a-z]{8}_[A-Za-z0-9_-]+`), "APIKEY"},
	{regexp.MustCompile(`\b20[2-9]\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC)?`), "TIME"},
	{regexp.MustCompile(`of the [0-9,]+ in the log (\S+) \(\d+ hashes\)`), "of the N in the log $1 (N hashes)"},
	{regexp.MustCompile(`recorded \d+ days later`), "recorded N days later"},
	{regexp.MustCompile(` in [0-9.]+ (ms|s)( \([0-9,]+/s\))?`), " in N s"},
	{regexp.MustCompile(`[0-9.]+ s, [0-9]+ events/s`), "N s, N events/s"},
	{regexp.MustCompile(`[0-9.]+ (B|kB|MB)\b`), "N kB"},
	{regexp.MustCompile(`[A-Za-z0-9+/]{43}=`), "HASH"},
	{regexp.MustCompile(`(Password +)\S+`), "${1}PASSWORD"},
}

// norm writes the output of the last command to the file "got", without what differs from run to run.
func norm(ts *testscript.TestScript, _ bool, _ []string) {
	text := ts.ReadFile("stdout")
	for _, c := range changing {
		text = c.re.ReplaceAllString(text, c.with)
	}
	ts.Check(os.WriteFile(ts.MkAbs("got"), []byte(text), 0o600))
}

// pick puts what a group of a regular expression finds in the last output into a variable: pick KEY 'API key +(\S+)'
func pick(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("nothing matches %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// events appends made-up events to a file: events FILE FIRST LAST
func events(ts *testscript.TestScript, _ bool, args []string) {
	first, err := strconv.Atoi(args[1])
	ts.Check(err)
	last, err := strconv.Atoi(args[2])
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	defer f.Close()
	w := bufio.NewWriter(f)
	for i := first; i <= last; i++ {
		fmt.Fprintf(w, `{"id":"e%d","source":"shop","action":"order.create","occurred_at":"2026-01-01T00:00:00Z","actor":{"id":"u%d"},"resource":{"type":"order","id":"%d"}}`+"\n", i, i%7, i)
	}
	ts.Check(w.Flush())
}

// interrupt feeds a file to a command and presses Ctrl-C while the command waits for more: interrupt FILE probity ingest -
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	b := ts.ReadFile(args[0])
	c := program(ts, args[2:]...)
	in, err := c.StdinPipe()
	ts.Check(err)
	var out, notes bytes.Buffer
	c.Stdout, c.Stderr = &out, &notes
	ts.Check(c.Start())
	_, err = io.WriteString(in, b)
	ts.Check(err)
	time.Sleep(time.Second) // for the full batches to be recorded
	ts.Check(c.Process.Signal(syscall.SIGINT))
	err = c.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		ts.Fatalf("%v, want exit code 3\n%s%s", err, out.String(), notes.String())
	}
	if !strings.Contains(notes.String(), "stopped") {
		ts.Fatalf("it does not say that it stopped:\n%s", notes.String())
	}
}

// database changes the database of a data directory.
func database(ts *testscript.TestScript, dir string, change func(db *sql.DB) error) {
	db, err := sql.Open("sqlite3", filepath.Join(ts.MkAbs(dir), "probity.db"))
	ts.Check(err)
	err = change(db)
	ts.Check(errors.Join(err, db.Close()))
}

// flip flips one bit in the stored evidence of an event: flip DIR SEQ
func flip(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	database(ts, args[0], func(db *sql.DB) error {
		var first, n int
		var body []byte
		if err := db.QueryRow(`SELECT first_seq, count, body FROM hot_evidence WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1`, want).Scan(&first, &n, &body); err != nil {
			return err
		}
		at := 0
		for i := first; i < want; i++ {
			at += 2 + int(binary.BigEndian.Uint16(body[at:]))
		}
		body[at+2+int(binary.BigEndian.Uint16(body[at:]))-40] ^= 1
		_, err := db.Exec(`UPDATE hot_evidence SET body = ? WHERE first_seq = ?`, body, first)
		return err
	})
}

// drop removes the newest batch of a log, as somebody would who wants an event forgotten: drop DIR
func drop(ts *testscript.TestScript, _ bool, args []string) {
	database(ts, args[0], func(db *sql.DB) error {
		for _, table := range []string{"hot_evidence", "hot_working"} {
			if _, err := db.Exec(`DELETE FROM ` + table + ` WHERE first_seq = (SELECT MAX(first_seq) FROM ` + table + `)`); err != nil {
				return err
			}
		}
		return nil
	})
}

// edit replaces bytes in what people read of a log, by others of the same number: edit DIR OLD NEW
func edit(ts *testscript.TestScript, _ bool, args []string) {
	changed := 0
	database(ts, args[0], func(db *sql.DB) error {
		rows, err := db.Query(`SELECT first_seq, body FROM hot_working`)
		if err != nil {
			return err
		}
		defer rows.Close()
		bodies := map[int][]byte{}
		for rows.Next() {
			var first int
			var body []byte
			if err := rows.Scan(&first, &body); err != nil {
				return err
			}
			if bytes.Contains(body, []byte(args[1])) {
				bodies[first] = bytes.Replace(body, []byte(args[1]), []byte(args[2]), 1)
			}
		}
		for first, body := range bodies {
			if _, err := db.Exec(`UPDATE hot_working SET body = ? WHERE first_seq = ?`, body, first); err != nil {
				return err
			}
			changed++
		}
		return rows.Err()
	})
	if changed == 0 {
		ts.Fatalf("no working copy holds %q", args[1])
	}
}

// flipZip changes a byte in the middle of a member of a zip file and packs it again: flipzip FILE MEMBER
func flipZip(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	r, err := zip.OpenReader(path)
	ts.Check(err)
	defer func() { _ = r.Close() }()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	found := false
	for _, f := range r.File {
		in, err := f.Open()
		ts.Check(err)
		b, err := io.ReadAll(in)
		ts.Check(err)
		if strings.Contains(f.Name, args[1]) {
			found = true
			b[len(b)/2] ^= 1
		}
		to, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: f.Method, Modified: f.Modified})
		ts.Check(err)
		_, err = to.Write(b)
		ts.Check(err)
	}
	ts.Check(w.Close())
	if !found {
		ts.Fatalf("%s has no member %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, out.Bytes(), 0o600))
}

// killBackups begins backups and kills each at a later moment than the one before, until one ends by itself: killbackups DIR PLACE
func killBackups(ts *testscript.TestScript, _ bool, args []string) {
	for wait := 20 * time.Millisecond; ; wait += wait / 2 {
		c := program(ts, "backup", "--data", args[0], "--to", args[1], "--recipient", ts.Getenv("RECIPIENT"))
		var notes bytes.Buffer
		c.Stderr = &notes
		ts.Check(c.Start())
		timer := time.AfterFunc(wait, func() { _ = c.Process.Kill() })
		err := c.Wait()
		if timer.Stop() {
			if err != nil {
				ts.Fatalf("%v: %s", err, notes.String())
			}
			return
		}
	}
}
