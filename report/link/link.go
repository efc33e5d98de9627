package link

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/ledger/event"
)

// Keep is how long a link lasts, unless its file goes earlier.
const Keep = 24 * time.Hour

// rememberFor is how long a link that has ended stays in the list.
const rememberFor = 30 * 24 * time.Hour

// maxOpen is how many links of one file can be open at a time.
const maxOpen = 20

// Link lets whoever has it take one file. Times are UTC.
type Link struct {
	ID         string     `json:"id"`
	CreatedBy  string     `json:"created_by" doc:"Id of the user or API key that made it"`
	Recipient  string     `json:"recipient,omitempty" doc:"Id of the user to whom it was e-mailed"`
	Status     string     `json:"status" enum:"open,expired,revoked"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	RevokedBy  string     `json:"revoked_by,omitempty"`
	Downloads  int64      `json:"downloads" format:"int53" doc:"How often the file was taken with it"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	URL        string     `json:"url,omitempty" doc:"Only in the answer that makes the link. Without a public-url in the server's configuration, a path"`

	tenant, targetType, targetID string
	secret                       []byte // sealed
}

// File is what a link leads to.
type File struct {
	Name, ContentType, SHA256 string
	Bytes                     int64
	// ExpiresAt is when the file goes.
	ExpiresAt time.Time
}

// Target is one kind of thing that links lead to.
type Target interface {
	// Shared returns the file when by may hand out links to it, and an error of package errs when not.
	Shared(ctx context.Context, by actor.Principal, id string) (File, error)
	// OpenShared returns the file of a tenant for the holder of a link, and with read set its content. It is NotFound when there is no file any more.
	OpenShared(ctx context.Context, tenantID, id string, read bool) (File, io.ReadCloser, error)
}

// Recorder records an event of the product in a tenant's ledger together with its effect: both or neither, in one transaction. Effect may run more than once.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Sealer encrypts the keys of links.
type Sealer interface {
	Seal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
	Unseal(ctx context.Context, tenantID, label string, sealed []byte) ([]byte, error)
}

// DB is the database (see package sqldb).
type DB interface {
	Read(ctx context.Context) *sql.DB
	Write(ctx context.Context, fn func(tx *sql.Tx) error) error
}

// Letter is what an e-mail with a link says.
type Letter struct {
	ID        string // the same at every attempt
	At        time.Time
	Subject   string
	Text      string
	URL       string
	File      File
	ExpiresAt time.Time
}

// Mailer sends e-mail to users.
type Mailer interface {
	// MailUser sends a letter to the address that a user has now. It is NotFound when there is no such user, or one who may not sign in.
	MailUser(ctx context.Context, tenantID, userID string, l Letter) error
}

// Options of [New]. DB, Recorder and Sealer must be set; Jobs, Queue and Mailer too for links by e-mail.
type Options struct {
	DB       DB
	Recorder Recorder
	Sealer   Sealer
	Mailer   Mailer
	Jobs     *jobs.Service
	Queue    string
	// PublicURL is where people reach the server, without a trailing slash.
	PublicURL string
	Logger    *slog.Logger
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service makes and redeems links. It is safe for concurrent use once every target has been added.
type Service struct {
	o       Options
	targets map[string]Target
}

// New returns a service, and registers its kind of job. The database must be migrated.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{o: o, targets: map[string]Target{}}
	if o.Jobs != nil {
		jobs.Register(o.Jobs, jobs.Kind[mailArgs]{Queue: o.Queue, Attempts: 8, Timeout: time.Minute, BackOff: 10 * time.Second, Work: s.mail})
	}
	return s
}

// Add says what links to things of a type, such as "export", lead to.
func (s *Service) Add(targetType string, t Target) { s.targets[targetType] = t }

func (s *Service) now() time.Time { return s.o.Now() }

var errDead = errs.New(errs.NotFound, "This link does not work: it has expired or was revoked, or its file is not there any more. Ask whoever sent it for a new one.")

// Create makes a link to a thing that by may hand out.
func (s *Service) Create(ctx context.Context, by actor.Principal, targetType, targetID string) (*Link, error) {
	f, err := s.shared(ctx, by, targetType, targetID)
	if err != nil {
		return nil, err
	}
	l, err := s.draft(ctx, by.TenantID, targetType, targetID, by.ID(), "", f.ExpiresAt)
	if err != nil {
		return nil, err
	}
	err = s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, "link_create", "share", by, l), func(ctx context.Context, tx *sql.Tx) error {
		if n, err := countOpen(ctx, tx, l, s.now().UnixMicro()); err != nil || n >= maxOpen {
			return errors.Join(err, errs.New(errs.Conflict, "There are %d open links to this file already. Revoke one first.", maxOpen))
		}
		return insert(ctx, tx, l)
	})
	if err != nil {
		return nil, err
	}
	l.URL, err = s.url(ctx, l)
	return l, err
}

func (s *Service) shared(ctx context.Context, by actor.Principal, targetType, targetID string) (File, error) {
	t, ok := s.targets[targetType]
	if !ok {
		return File{}, errs.New(errs.NotFound, "There are no links to things of this kind.")
	}
	return t.Shared(ctx, by, targetID)
}

// draft makes a link that is not stored yet.
func (s *Service) draft(ctx context.Context, tenantID, targetType, targetID, createdBy, recipient string, fileGoes time.Time) (*Link, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	key := make([]byte, sha256.Size)
	rand.Read(key) //nolint:errcheck // never fails: it ends the program instead
	now := s.now()
	l := &Link{ID: id.String(), tenant: tenantID, targetType: targetType, targetID: targetID, CreatedBy: createdBy, Recipient: recipient, Status: "open",
		CreatedAt: now.UTC().Truncate(time.Microsecond), ExpiresAt: now.Add(Keep).UTC().Truncate(time.Second)}
	if fileGoes.Before(l.ExpiresAt) {
		l.ExpiresAt = fileGoes.UTC().Truncate(time.Second)
	}
	l.secret, err = s.o.Sealer.Seal(ctx, tenantID, label, key)
	return l, err
}

// label binds the sealed keys to their use.
const label = "download_link"

// url is the address of a link.
func (s *Service) url(ctx context.Context, l *Link) (string, error) {
	key, err := s.o.Sealer.Unseal(ctx, l.tenant, label, l.secret)
	if err != nil {
		return "", err
	}
	return s.o.PublicURL + "/download#" + token(l.ID, l.ExpiresAt.Unix(), key), nil
}

const version = "v1"

func token(id string, expires int64, key []byte) string {
	signed := version + "." + id + "." + strconv.FormatInt(expires, 10)
	return signed + "." + base64.RawURLEncoding.EncodeToString(sign(signed, key))
}

func sign(signed string, key []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("probity download link\n" + signed))
	return m.Sum(nil)
}

// find returns the open link of a token. Whatever is wrong with it, the error is the same.
func (s *Service) find(ctx context.Context, tok string) (*Link, error) {
	parts := strings.Split(tok, ".")
	if len(tok) > 200 || len(parts) != 4 || parts[0] != version || uuid.Validate(parts[1]) != nil {
		return nil, errDead
	}
	sum, err := base64.RawURLEncoding.DecodeString(parts[3])
	if err != nil {
		return nil, errDead
	}
	l, err := byID(ctx, s.o.DB.Read(ctx), parts[1])
	if errs.CodeOf(err) == errs.NotFound {
		return nil, errDead
	}
	if err != nil {
		return nil, err
	}
	key, err := s.o.Sealer.Unseal(ctx, l.tenant, label, l.secret)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(sum, sign(strings.Join(parts[:3], "."), key)) || parts[2] != strconv.FormatInt(l.ExpiresAt.Unix(), 10) {
		return nil, errDead
	}
	return l, nil
}

// state is what a link is good for at a time.
func (l *Link) state(now time.Time) string {
	switch {
	case l.RevokedAt != nil:
		return "revoked"
	case !now.Before(l.ExpiresAt):
		return "expired"
	}
	return "open"
}

// About returns what a token leads to, and until when. It counts as no download.
func (s *Service) About(ctx context.Context, tok string) (File, time.Time, error) {
	l, err := s.find(ctx, tok)
	if err != nil {
		return File{}, time.Time{}, err
	}
	if l.state(s.now()) != "open" {
		return File{}, time.Time{}, errDead
	}
	f, _, err := s.targets[l.targetType].OpenShared(ctx, l.tenant, l.targetID, false)
	return f, l.ExpiresAt, hide(err)
}

// Redeem records that the holder of a token takes the file, and opens it. The caller closes it. That somebody came with a link that is not open any more is recorded too.
func (s *Service) Redeem(ctx context.Context, tok string) (File, io.ReadCloser, error) {
	l, err := s.find(ctx, tok)
	if err != nil {
		return File{}, nil, err
	}
	if l.state(s.now()) != "open" {
		return File{}, nil, errors.Join(errDead, s.o.Recorder.Record(ctx, l.tenant, refused(ctx, l, l.state(s.now())), func(context.Context, *sql.Tx) error { return nil }))
	}
	f, body, err := s.targets[l.targetType].OpenShared(ctx, l.tenant, l.targetID, true)
	if err != nil {
		return File{}, nil, hide(err)
	}
	err = s.o.Recorder.Record(ctx, l.tenant, used(ctx, l, f), func(ctx context.Context, tx *sql.Tx) error { return use(ctx, tx, l, s.now().UnixMicro()) })
	if err != nil {
		return File{}, nil, errors.Join(err, body.Close())
	}
	return f, body, nil
}

// hide says the same of every file that cannot be had, since the holder of a link is a stranger.
func hide(err error) error {
	switch errs.CodeOf(err) {
	case errs.NotFound, errs.Forbidden, errs.Conflict:
		if err != nil {
			return errDead
		}
	}
	return err
}

// List returns the links to a thing, newest first.
func (s *Service) List(ctx context.Context, by actor.Principal, targetType, targetID string) ([]*Link, error) {
	if _, err := s.shared(ctx, by, targetType, targetID); err != nil {
		return nil, err
	}
	list, err := list(ctx, s.o.DB.Read(ctx), by.TenantID, targetType, targetID)
	for _, l := range list {
		l.Status = l.state(s.now())
	}
	return list, err
}

// Revoke ends a link at once. A link that has ended already stays as it is.
func (s *Service) Revoke(ctx context.Context, by actor.Principal, targetType, targetID, id string) error {
	all, err := s.List(ctx, by, targetType, targetID)
	if err != nil {
		return err
	}
	for _, l := range all {
		if l.ID != id {
			continue
		}
		if l.Status != "open" {
			return nil
		}
		return s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, "link_revoke", "revoke", by, l), func(ctx context.Context, tx *sql.Tx) error {
			return revoke(ctx, tx, l, by.ID(), s.now().UnixMicro())
		})
	}
	return errs.New(errs.NotFound, "There is no such link.")
}

// Forget deletes what is known of links that ended long ago.
func (s *Service) Forget(ctx context.Context) error {
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error { return forget(ctx, tx, s.now().Add(-rememberFor).UnixMicro()) })
}
