package send

import (
	"context"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
)

const (
	natsTimeout = 30 * time.Second // for handing over one batch
	natsDial    = 8 * time.Second
	natsPort    = 4222
	natsPending = 256 // messages on their way at a time
)

// NATS is where messages are published: a subject that a stream of a NATS server with JetStream takes.
type NATS struct {
	// URL is tls://host:port; nats:// without TLS only to servers that the operator has named.
	URL, Subject string
	// Username and Password, or Token, or neither.
	Username, Password, Token string
}

// NATSMessage is a message with the id by which the server drops repetitions (Nats-Msg-Id).
type NATSMessage struct {
	ID   string
	Data []byte
}

// natsSubject is a subject without wildcards, https://docs.nats.io/nats-concepts/subjects. What begins with $ is the server's.
var natsSubject = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,15}$`)

// CheckNATS says whether a server and its subject can be used. Errors are Invalid and name the field.
func (s *Sender) CheckNATS(n NATS) error {
	if _, _, err := s.natsServer(n.URL); err != nil {
		return errs.Field("/settings/url", "not_allowed", "The server cannot be used: %s.", outbound.Explain(err).Error())
	}
	if !natsSubject.MatchString(n.Subject) || len(n.Subject) > 255 {
		return errs.Field("/settings/subject", "invalid", "A subject has words of letters, digits, _ and - with dots between them, such as audit.events.")
	}
	if (n.Username == "") != (n.Password == "") || n.Token != "" && n.Username != "" || max(len(n.Username), len(n.Password), len(n.Token)) > 256 {
		return errs.Field("/settings/password", "invalid", "A NATS server is told a user name and password, or a token, or nothing.")
	}
	return nil
}

// natsServer returns a server's address, and whether it is spoken to over TLS.
func (s *Sender) natsServer(raw string) (u *url.URL, secure bool, err error) {
	bad := &outbound.Error{Reason: outbound.BadURL}
	u, err = url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || len(raw) > 512 || u.Scheme != "tls" && u.Scheme != "nats" {
		return nil, false, bad
	}
	port := natsPort
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return nil, false, bad
		}
	}
	trusted, err := s.HTTP.CheckHost(u.Hostname(), port)
	if err == nil && u.Scheme == "nats" && !trusted {
		err = &outbound.Error{Reason: outbound.NotHTTPS}
	}
	u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(port))
	return u, u.Scheme == "tls", err
}

// guarded dials for the NATS client, which would resolve names itself.
type guarded struct {
	ctx    context.Context
	client *outbound.Client
	err    *error
}

func (g guarded) Dial(network, address string) (net.Conn, error) {
	conn, err := g.client.Dial(g.ctx, network, address)
	*g.err = err
	return conn, err
}

// SkipTLSHandshake says that the client itself has to begin TLS.
func (guarded) SkipTLSHandshake() bool { return false }

// SendNATS makes one attempt to publish messages, of which there is one at least, in their order. It succeeds when JetStream has acknowledged every one of them. When it refuses a single one
// that is not the first, later ones may be stored before it.
func (s *Sender) SendNATS(ctx context.Context, n NATS, messages []NATSMessage) Outcome {
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	u, secure, err := s.natsServer(n.URL)
	if err != nil {
		e := outbound.Explain(err)
		return Outcome{Problem: e.Error(), Permanent: e.Permanent()}
	}
	var dialled error
	o := nats.Options{Url: u.String(), Name: "Probity", CustomDialer: guarded{ctx, s.HTTP, &dialled}, SkipHostLookup: true, IgnoreDiscoveredServers: true, Timeout: natsDial, Secure: secure, User: n.Username,
		Password: n.Password, Token: n.Token, NoEcho: true}
	if secure {
		o.TLSConfig = s.HTTP.TLS(u.Hostname())
	}
	conn, err := o.Connect()
	if err != nil {
		if dialled != nil {
			err = dialled
		}
		return natsProblem(err)
	}
	defer conn.Close()
	return publish(ctx, conn, n.Subject, messages)
}

func publish(ctx context.Context, conn *nats.Conn, subject string, messages []NATSMessage) Outcome {
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(natsPending))
	if err != nil {
		return natsProblem(err)
	}
	// The first alone: what nobody takes, or may send, ends here, before others that are on their way could be stored without it. The rest need not wait for one another.
	first := messages[0]
	if _, err := js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: first.Data}, jetstream.WithMsgID(first.ID), jetstream.WithRetryAttempts(0)); err != nil {
		return natsProblem(err)
	}
	acks := make([]jetstream.PubAckFuture, 0, len(messages))
	for _, m := range messages[1:] {
		f, err := js.PublishMsgAsync(&nats.Msg{Subject: subject, Data: m.Data}, jetstream.WithMsgID(m.ID), jetstream.WithStallWait(natsDial))
		if err != nil {
			return natsProblem(err)
		}
		acks = append(acks, f)
	}
	for _, f := range acks {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return natsProblem(err)
		case <-ctx.Done():
			return natsProblem(ctx.Err())
		}
	}
	return Outcome{OK: true}
}

// natsProblem says what went wrong in words of ours: the client's own may name addresses.
func natsProblem(err error) Outcome {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked):
		return Outcome{Problem: "the NATS server refuses the credentials"}
	case errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse):
		return Outcome{Problem: "no JetStream stream of the server takes this subject"}
	case errors.Is(err, nats.ErrSecureConnWanted) || errors.Is(err, nats.ErrSecureConnRequired):
		return Outcome{Problem: "the NATS server and the address disagree about TLS"}
	case errors.Is(err, nats.ErrMaxPayload):
		return Outcome{Problem: "an event is larger than the NATS server takes (max_payload)"}
	case errors.As(err, &api):
		return Outcome{Code: api.Code, Problem: "JetStream refused an event (error " + strconv.Itoa(int(api.ErrorCode)) + ")"}
	case errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrTooManyStalledMsgs):
		return Outcome{Problem: "the NATS server did not answer in time"}
	}
	e := outbound.Explain(err)
	return Outcome{Problem: e.Error(), Permanent: e.Permanent()}
}
