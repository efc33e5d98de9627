package send

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
)

// syslogTimeout bounds handing over one batch.
const syslogTimeout = 15 * time.Second

var hecToken = regexp.MustCompile(`^[A-Za-z0-9-]{8,64}$`)

// CheckSplunk says whether an address of an HTTP Event Collector and its token can be used. Errors are Invalid and name the field.
func (s *Sender) CheckSplunk(url, token string) error {
	if !hecToken.MatchString(token) {
		return errs.Field("/settings/token", "invalid", "The token of an HTTP Event Collector has 8 to 64 letters, digits and hyphens.")
	}
	return s.checkURL(url)
}

// SendSplunk makes one attempt to hand events to an HTTP Event Collector: url is that of services/collector/event, body one object after the other.
// See https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector and the status codes documented beside it.
func (s *Sender) SendSplunk(ctx context.Context, url, token string, body []byte) Outcome {
	return s.post(ctx, url, http.Header{"Authorization": {"Splunk " + token}}, body, func(r *outbound.Response) Outcome {
		o := byStatus(Outcome{Code: r.Status})
		var answer struct {
			Code *int `json:"code"`
		}
		if err := json.Unmarshal(r.Body, &answer); err != nil || answer.Code == nil {
			if o.OK {
				return Outcome{Problem: "the answer is not one of an HTTP Event Collector"}
			}
			return o
		}
		o.OK = o.OK && *answer.Code == 0
		if !o.OK {
			o.Problem = "Splunk refused the events (code " + strconv.Itoa(*answer.Code) + ")"
			switch *answer.Code {
			case 1, 2, 3, 4:
				o.Problem = "Splunk does not take the token"
			case 7:
				o.Problem = "Splunk does not know the index of this token"
			case 8, 9, 26, 27:
				o.Problem = "Splunk is busy"
			}
		}
		return o
	})
}

// CheckSyslog says whether a syslog server's host and port can be used. Errors are Invalid and name the field.
func (s *Sender) CheckSyslog(host string, port int) error {
	if host == "" {
		return errs.Field("/settings/host", "required", "A host is needed.")
	}
	if _, err := s.HTTP.CheckHost(host, port); err != nil {
		return errs.Field("/settings/host", "not_allowed", "The server cannot be used: %s.", err.Error())
	}
	return nil
}

// SyslogFrame appends one RFC 5424 message with the octet count of RFC 5425 to dst: facility 13 (log audit), severity 5 (notice). host and text must be printable; text is JSON.
func SyslogFrame(dst []byte, at time.Time, host string, text []byte) []byte {
	m := append([]byte("<109>1 "+at.UTC().Format("2006-01-02T15:04:05.000000Z")+" "+cut(host, 255)+" probity - event - "), text...)
	dst = append(strconv.AppendInt(dst, int64(len(m)), 10), ' ')
	return append(dst, m...)
}

// SendSyslog makes one attempt to hand frames to a syslog server over TLS (RFC 5425). The protocol has no answers: the attempt succeeds when the server has taken the bytes
// and closed its end, or keeps silent for a moment, without an error.
func (s *Sender) SendSyslog(ctx context.Context, host string, port int, frames []byte) Outcome {
	ctx, cancel := context.WithTimeout(ctx, syslogTimeout)
	defer cancel()
	failed := func(err error) Outcome {
		e := outbound.Explain(err)
		return Outcome{Problem: e.Error(), Permanent: e.Permanent()}
	}
	raw, err := s.HTTP.Dial(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return failed(err)
	}
	defer raw.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := raw.SetDeadline(deadline); err != nil {
			return failed(err)
		}
	}
	conn := tls.Client(raw, s.HTTP.TLS(host))
	if err := conn.HandshakeContext(ctx); err != nil {
		return failed(err)
	}
	if _, err := conn.Write(frames); err != nil {
		return failed(err)
	}
	if err := conn.CloseWrite(); err != nil {
		return failed(err)
	}
	// A server that refuses what it got resets the connection; one that is content closes it, or waits for ours.
	if err := raw.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return failed(err)
	}
	var one [1]byte
	if _, err := conn.Read(one[:]); err != nil {
		if e := outbound.Explain(err); e.Reason != outbound.Timeout && !closedInOrder(err) {
			return failed(err)
		}
	}
	return Outcome{OK: true}
}

func closedInOrder(err error) bool { return errors.Is(err, io.EOF) }
