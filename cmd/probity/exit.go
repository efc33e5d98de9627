package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"

	"probity.dev/client"
	"probity.dev/internal/errs"
)

// Exit codes that scripts can rely on.
const (
	exitOK    = 0
	exitNo    = 1 // the work was done and the answer is no: a verification failed, events were rejected, there is no such event
	exitUsage = 2 // the command line, the input or the credential is wrong; the same again cannot help
	exitError = 3 // the work could not be done, or was interrupted; the same again may help
)

const exitHelp = `Exit codes: 0 done; 1 done, and the answer is no (a verification failed, events were rejected, there is no such event);
2 the command line, the input or the credential is wrong; 3 it could not be done now.`

// codeError ends the program with a code of its own. Its message, when there is one, is printed.
type codeError struct {
	code    int
	message string
}

func (e codeError) Error() string { return e.message }

// answerNo ends the program with exitNo. What was found has been printed, or is the message.
func answerNo(format string, args ...any) error {
	return codeError{exitNo, fmt.Sprintf(format, args...)}
}

// usage is an error of the command line.
func usage(format string, args ...any) error { return errs.New(errs.Invalid, format, args...) }

// startedError is an error of a command that has begun; any other error is one of the command line.
type startedError struct{ error }

func (e startedError) Unwrap() error { return e.error }

// finish prints an error and returns the exit code.
func finish(w io.Writer, command string, err error) int {
	var code codeError
	var started startedError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		if code.message != "" {
			fmt.Fprintln(w, "probity:", code.message)
		}
		return code.code
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(w, "probity: stopped")
		return exitError
	}
	fmt.Fprintln(w, "probity:", message(err))
	for _, f := range fieldsOf(err) {
		if f.Detail != errs.Message(err) && f.Detail != message(err) {
			fmt.Fprintf(w, "  %s: %s\n", strings.TrimPrefix(f.Pointer, "/"), f.Detail)
		}
	}
	if !errors.As(err, &started) {
		fmt.Fprintf(w, "Try \"%s --help\".\n", command)
		return exitUsage
	}
	return codeOf(err)
}

// message words an error without what a server says for its own log.
func message(err error) string {
	var p *client.Error
	if errors.As(err, &p) {
		text := p.Detail
		if text == "" {
			text = p.Title
		}
		switch p.Code {
		case client.Unauthorized:
			text += " Set PROBITY_API_KEY, or give --api-key-file."
		case client.Internal:
			text += " (request " + p.RequestID + ")"
		}
		return text
	}
	var net *url.Error
	var ours *errs.Error // has said what was not reached, such as the storage
	if errors.As(err, &net) && !errors.As(err, &ours) {
		if u, e := url.Parse(net.URL); e == nil {
			return fmt.Sprintf("%s cannot be reached: %v", u.Host, net.Err)
		}
	}
	return err.Error()
}

func fieldsOf(err error) []errs.FieldError {
	var p *client.Error
	if errors.As(err, &p) {
		out := make([]errs.FieldError, len(p.Fields))
		for i, f := range p.Fields {
			out[i] = errs.FieldError(f)
		}
		return out
	}
	var e *errs.Error
	if errors.As(err, &e) {
		return e.Fields
	}
	return nil
}

// codeOf is the exit code of an error of a command that has begun.
func codeOf(err error) int {
	code := errs.CodeOf(err)
	var p *client.Error
	if errors.As(err, &p) {
		code = errs.Code(p.Code)
	}
	switch code {
	case errs.Invalid, errs.Unauthorized, errs.Forbidden, errs.NotFound, errs.TooLarge, errs.Unsupported, errs.Unprocessed:
		return exitUsage
	}
	if errors.Is(err, fs.ErrNotExist) {
		return exitUsage
	}
	return exitError
}
