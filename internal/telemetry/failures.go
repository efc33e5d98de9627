package telemetry

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/getsentry/sentry-go"

	"probity.dev/internal/api"
	"probity.dev/internal/errs"
)

// What is reported at most: the same failure once a minute, and so many different ones.
const (
	sameFailure = time.Minute
	maxFailures = 60
)

// failures reports what went wrong to an error tracker that speaks the Sentry protocol. What leaves is made of parts that cannot hold a value of a request or a record: types, codes, places
// in the program, route templates, ids of requests and constant messages. Texts of errors stay in the log, where the id of the request finds them.
type failures struct {
	client *sentry.Client

	mu   sync.Mutex
	sent map[string]time.Time // by what a failure is, when it was reported last
}

func newFailures(o Options) (*failures, error) {
	if o.SentryDSN == "" {
		return nil, nil
	}
	client, err := sentry.NewClient(sentry.ClientOptions{
		Dsn: o.SentryDSN, Release: "probity@" + o.Version, Environment: o.SentryEnvironment, ServerName: o.Instance,
		// The integrations would add the environment's variables, the modules and the source around a frame.
		Integrations: func([]sentry.Integration) []sentry.Integration { return nil },
	})
	if err != nil {
		return nil, errs.New(errs.Invalid, "sentry-dsn is not an address such as https://KEY@sentry.example.com/1")
	}
	return &failures{client: client, sent: map[string]time.Time{}}, nil
}

// request reports a request that panicked or was answered with a status from 500 on.
func (f *failures) request(out api.Outcome) {
	if f == nil {
		return
	}
	e := sentry.NewEvent()
	e.Level, e.Transaction = sentry.LevelError, out.Method+" "+out.Route
	e.Tags = map[string]string{"request_id": out.RequestID, "route": out.Route, "method": out.Method, "status": strconv.Itoa(out.Status)}
	if p := out.Panic; p != nil {
		e.Level = sentry.LevelFatal
		e.Exception = []sentry.Exception{{Type: "panic: " + typeName(p.Value), Value: panicText(p.Value), Stacktrace: stack(p.Stack)}}
	} else {
		e.Exception = chain(out.Cause)
	}
	if len(e.Exception) == 0 {
		e.Message = "answered with status " + strconv.Itoa(out.Status)
	}
	f.send(e)
}

// line reports a log line about what went wrong in the background.
func (f *failures) line(r slog.Record) {
	e := sentry.NewEvent()
	e.Level, e.Logger, e.Message = sentry.LevelError, "probity", Scrub(r.Message)
	e.Tags = map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		v := a.Value.Resolve()
		if err, ok := v.Any().(error); ok {
			e.Exception = chain(err)
		}
		if a.Key == "log_id" || a.Key == "request_id" || a.Key == "code" {
			e.Tags[a.Key] = Scrub(v.String())
		}
		return true
	})
	if len(e.Exception) > 0 { // what a tracker shows as the heading; the last of them is the outermost
		e.Exception[len(e.Exception)-1].Value = e.Message
	}
	f.send(e)
}

// send hands an event over, unless the same failure was reported within the last minute, or very many others were.
func (f *failures) send(e *sentry.Event) {
	what := string(e.Level) + "|" + e.Transaction + "|" + e.Message
	for _, x := range e.Exception {
		what += "|" + x.Type + "|" + x.Value
	}
	now := time.Now()
	f.mu.Lock()
	for k, at := range f.sent {
		if now.Sub(at) >= sameFailure {
			delete(f.sent, k)
		}
	}
	_, again := f.sent[what]
	if !again && len(f.sent) < maxFailures {
		f.sent[what] = now
	} else {
		again = true
	}
	f.mu.Unlock()
	if !again {
		f.client.CaptureEvent(e, nil, nil)
	}
}

// close sends what is queued, for as long as ctx allows and two seconds at most.
func (f *failures) close(ctx context.Context) {
	if f == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	f.client.FlushWithContext(ctx)
	f.client.Close()
}

// chain describes an error and what it wraps, innermost first as the protocol wants it. Joined errors are described by the first of them.
func chain(err error) []sentry.Exception {
	var out []sentry.Exception
	for depth := 0; err != nil && depth < 10; depth++ {
		out = append([]sentry.Exception{{Type: typeName(err), Value: errorText(err)}}, out...)
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			if list := joined.Unwrap(); len(list) > 0 {
				err = list[0]
				continue
			}
		}
		err = errors.Unwrap(err)
	}
	return out
}

// constant errors have one text each, which is known and holds no value.
var constant = []error{context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, io.ErrShortWrite, fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, fs.ErrClosed}

// errorText says of an error what cannot hold a value: its code, or its text when that is constant.
func errorText(err error) string {
	for _, known := range constant {
		if err == known { //nolint:errorlint // what wraps it has a text of its own
			return known.Error()
		}
	}
	switch e := err.(type) { //nolint:errorlint // every link of the chain is described by itself
	case *errs.Error:
		return string(e.Code)
	case syscall.Errno:
		return e.Error()
	case *fs.PathError:
		return e.Op
	case runtime.Error:
		return e.Error()
	case interface{ SQLState() string }:
		return "SQLSTATE " + e.SQLState()
	}
	return ""
}

// panicText is the text of a panic that Go's runtime made; any other may quote a value.
func panicText(v any) string {
	if err, ok := v.(error); ok {
		return errorText(err)
	}
	return ""
}

func typeName(v any) string {
	if v == nil {
		return "nil"
	}
	return reflect.TypeOf(v).String()
}

// stack renders program counters, outermost first as the protocol wants it, without the runtime's frames at the inner end and without paths of the machine that built the program.
func stack(pcs []uintptr) *sentry.Stacktrace {
	var out []sentry.Frame
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "runtime.") && (strings.HasSuffix(f.Function, "panic") || strings.HasPrefix(f.Function, "runtime.panic") || strings.HasPrefix(f.Function, "runtime.goPanic")) {
			out = out[:0] // what is further in only handles the panic
		} else if f.Function != "" {
			module, name := splitFunction(f.Function)
			out = append(out, sentry.Frame{Function: name, Module: module, Filename: path.Base(f.File), Lineno: f.Line, InApp: strings.HasPrefix(f.Function, "probity.dev/")})
		}
		if !more {
			break
		}
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return &sentry.Stacktrace{Frames: out}
}

// splitFunction parts "probity.dev/ledger.(*Ledger).Append" into its package and the rest.
func splitFunction(s string) (module, name string) {
	slash := strings.LastIndexByte(s, '/') + 1
	dot := strings.IndexByte(s[slash:], '.')
	if dot < 0 {
		return "", s
	}
	return s[:slash+dot], s[slash+dot+1:]
}

// tracked reports log lines of level error besides writing them. Those about requests are reported by the observer, which knows more.
type tracked struct {
	slog.Handler
	failures *failures
}

// Handle implements slog.Handler.
func (h tracked) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError && r.Message != "request" && r.Message != "panic" {
		h.failures.line(r)
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h tracked) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tracked{h.Handler.WithAttrs(attrs), h.failures}
}

// WithGroup implements slog.Handler.
func (h tracked) WithGroup(name string) slog.Handler {
	return tracked{h.Handler.WithGroup(name), h.failures}
}
