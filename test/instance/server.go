package instance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"probity.dev/app"
	"probity.dev/internal/sqldb/sqldbtest"
)

// Init makes a data directory with one tenant and returns what its first admin is told.
func Init(t testing.TB, dir string, flags ...string) *app.InitResult {
	t.Helper()
	if _, own := databases.Load(dir); !own && sqldbtest.Kind(t) == sqldbtest.Postgres {
		UseDatabase(dir, sqldbtest.Address(t, dir))
	}
	out, errOut, code := Run(t, append([]string{"init", "--data", dir, "--tenant", "Test", "--output", "json"}, flags...)...)
	if code != 0 {
		t.Fatalf("init ended with %d: %s", code, errOut)
	}
	r := new(app.InitResult)
	if err := json.Unmarshal([]byte(out), r); err != nil {
		t.Fatalf("init answered %q: %v", out, err)
	}
	return r
}

// Join makes the data directory of one more server of the installation that Init has made with the directory of, on the same database: it has the master key and nothing else.
func Join(t testing.TB, dir, of string) {
	t.Helper()
	address, ok := databases.Load(of)
	if !ok {
		t.Fatal("only PostgreSQL has several servers")
	}
	databases.Store(dir, address)
	key, err := os.ReadFile(filepath.Join(of, "keys", "master.key"))
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Join(dir, "keys"), 0o700), os.WriteFile(filepath.Join(dir, "keys", "master.key"), key, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// databases leads from data directories to the PostgreSQL databases that go with them, programs to the programs that are run on them, where that is not [Binary].
var databases, programs sync.Map

// UseDatabase says which PostgreSQL database goes with a data directory.
func UseDatabase(dir, address string) { databases.Store(dir, address) }

// UseProgram says which program is run on a data directory from now on.
func UseProgram(dir, path string) { programs.Store(dir, path) }

// command is the binary with these arguments and with no settings of whoever runs the tests. A data directory among the arguments brings its database and its program with it.
func command(args ...string) *exec.Cmd {
	path := binary
	var env []string
	for _, a := range args {
		if address, ok := databases.Load(a); ok {
			env = append(env, "PROBITY_DATABASE="+address.(string))
		}
		if program, ok := programs.Load(a); ok {
			path = program.(string)
		}
	}
	c := exec.Command(path, args...)
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PROBITY_") }), env...)
	return c
}

// Run runs the binary to its end and returns what it printed and its exit code.
func Run(t testing.TB, args ...string) (out, errOut string, code int) {
	t.Helper()
	c := command(args...)
	var o, e bytes.Buffer
	c.Stdout, c.Stderr = &o, &e
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return o.String(), e.String(), c.ProcessState.ExitCode()
}

// Server is a running server.
type Server struct {
	URL string
	Dir string
	// Key is what requests are made with unless they say otherwise.
	Key string
	// LogFile holds what the server and those before it on the same LogFile wrote to standard error.
	LogFile string

	t      testing.TB
	cmd    *exec.Cmd
	exited chan struct{}
	client *http.Client
	masked bool // see Masked
}

// Start starts a server on a data directory and waits until it says that it serves. It is stopped at the end of the test.
func Start(t testing.TB, dir, key string, flags ...string) *Server {
	t.Helper()
	s, errOut := TryStart(t, dir, key, flags...)
	if s == nil {
		t.Fatal("the server did not start: ", errOut)
	}
	return s
}

// TryStart is [Start] for a server that may refuse to; then it returns nil and what the server said.
func TryStart(t testing.TB, dir, key string, flags ...string) (*Server, string) {
	t.Helper()
	s := &Server{Dir: dir, Key: key, t: t, LogFile: logFile(t), exited: make(chan struct{})}
	// Every server has connections of its own: one to a killed server must not be tried on the next.
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}
	log, err := os.OpenFile(s.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	before, err := log.Seek(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	s.cmd = command(append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--scrub-at", "off"}, flags...)...)
	s.cmd.Stderr = log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves no server behind
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		_ = s.cmd.Wait() // its exit code is in ProcessState
		close(s.exited)
	}()
	if err != nil {
		<-s.exited
		said, _ := os.ReadFile(s.LogFile)
		return nil, string(said[before:])
	}
	if _, s.URL, _ = strings.Cut(strings.TrimSpace(line), " on "); s.URL == "" {
		t.Fatalf("the server began with %q", line)
	}
	return s, ""
}

var logFiles sync.Map // by name of the test

// logFile is the file that all servers of a test log to. What is not a plain request is shown when the test fails.
func logFile(t testing.TB) string {
	dir := t.TempDir()
	path, old := logFiles.LoadOrStore(t.Name(), filepath.Join(dir, "server.log"))
	if !old {
		t.Cleanup(func() {
			logFiles.Delete(t.Name())
			b, _ := os.ReadFile(path.(string)) // no server was started
			if b = notRequests(b); t.Failed() && len(b) > 0 {
				t.Logf("the server's log ends:\n%s", b[max(0, len(b)-4000):])
			}
		})
	}
	return path.(string)
}

func notRequests(log []byte) (out []byte) {
	for line := range bytes.Lines(log) {
		if !bytes.Contains(line, []byte(`"msg":"request"`)) || bytes.Contains(line, []byte(`"error"`)) {
			out = append(out, line...)
		}
	}
	return out
}

// Kill ends the server as a power cut would end its process: without a word.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.exited
	s.client.CloseIdleConnections()
}

// Signal sends the process a signal.
func (s *Server) Signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Error(err)
	}
}

// Stop ends the server in an orderly way and demands that it succeeds.
func (s *Server) Stop() {
	s.t.Helper()
	s.client.CloseIdleConnections()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Errorf("the server had ended: %v\n%s", err, s.Log())
		return
	}
	select {
	case <-s.exited:
	case <-time.After(40 * time.Second):
		s.Kill()
		s.t.Error("the server did not stop")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("the server ended with %d\n%s", code, s.Log())
	}
}

// Alive reports whether the process still runs.
func (s *Server) Alive() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// Pid is the process id.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Log returns what the server has written to its log.
func (s *Server) Log() string {
	b, err := os.ReadFile(s.LogFile)
	if err != nil {
		s.t.Error(err)
	}
	return string(b)
}
