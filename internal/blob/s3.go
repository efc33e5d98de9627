package blob

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"probity.dev/internal/errs"
)

// S3Options configure an [S3] store. Location and Spool are required.
type S3Options struct {
	Location Location
	// AccessKey and SecretKey sign the requests. When both are empty, the usual places are asked: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the file ~/.aws/credentials, and the role
	// of the machine.
	AccessKey, SecretKey string
	// Spool is a local folder for objects on their way to the store: the server is told their hash before their content. It is made when absent; what it holds is dropped.
	Spool string
	// Patience is how long a request may take before it counts as failed, besides a second per MiB sent; 30 s when zero.
	Patience time.Duration
	// Retries is how often a request is sent at most, with growing and random pauses of up to a second; 5 when zero.
	Retries int
	// PartSize is the size in bytes above which an object is sent in parts of that size; 64 MiB when zero, 5 MiB at least.
	PartSize int64
}

// S3 keeps objects in a bucket.
type S3 struct {
	o    S3Options
	core *minio.Core
}

const (
	defaultPatience = 30 * time.Second
	defaultRetries  = 5
	defaultPart     = 64 << 20
	dialTime        = 5 * time.Second
)

// OpenS3 returns a store in a bucket. It sends nothing; see [S3.CheckEvidence] and [S3.CheckWorking].
func OpenS3(o S3Options) (*S3, error) {
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.Retries <= 0 {
		o.Retries = defaultRetries
	}
	if o.PartSize <= 0 {
		o.PartSize = defaultPart
	}
	if (o.AccessKey == "") != (o.SecretKey == "") {
		return nil, errs.New(errs.Invalid, "the storage's access key and secret key must be given together")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: dialTime, KeepAlive: 30 * time.Second}).DialContext
	transport.TLSHandshakeTimeout, transport.ResponseHeaderTimeout = 2*dialTime, o.Patience
	transport.MaxIdleConnsPerHost, transport.DisableCompression = 16, true
	client, err := minio.NewCore(o.Location.Endpoint, &minio.Options{Creds: o.credentials(), Secure: o.Location.Secure, Region: o.Location.Region, Transport: transport, MaxRetries: o.Retries})
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "the storage's location cannot be used")
	}
	if err := os.MkdirAll(o.Spool, 0o700); err != nil {
		return nil, err
	}
	return &S3{o: o, core: client}, nil
}

func (o *S3Options) credentials() *credentials.Credentials {
	if o.AccessKey != "" {
		return credentials.NewStaticV4(o.AccessKey, o.SecretKey, "")
	}
	// Off Amazon's machines nobody answers for a role.
	metadata := &http.Client{Timeout: 2 * time.Second}
	return credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: metadata}})
}

// String names the store, without credentials.
func (s *S3) String() string { return s.o.Location.String() }

// key is the name of an object in the bucket.
func (s *S3) key(name string) string { return s.o.Location.Prefix + name }

func (s *S3) bucket() string { return s.o.Location.Bucket }

// within bounds one exchange of n bytes with the server, retries included.
func (s *S3) within(ctx context.Context, n int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 2*s.o.Patience+time.Duration(n>>20)*time.Second)
}

// fail gives an error of a request a code and a message for the operator. Messages name the store; they hold no credentials.
func (s *S3) fail(err error, name string) error {
	if err == nil {
		return nil
	}
	var e *errs.Error
	if errors.As(err, &e) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch r := minio.ToErrorResponse(err); r.Code {
	case minio.NoSuchKey, minio.NoSuchVersion, "MethodNotAllowed": // the last for a delete marker
		if name != "" {
			return notFound(name)
		}
	case minio.PreconditionFailed:
		return exists(name)
	case minio.NoSuchBucket:
		return errs.Wrap(errs.Unavailable, err, "The storage %s has no bucket %s: create it, or correct the setting.", s.o.Location.Endpoint, s.bucket())
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "Forbidden", "XMinioAdminInvalidAccessKey":
		if s.o.AccessKey == "" && (r.Code == "AccessDenied" || r.Code == "Forbidden") { // nobody has signed the request, unless the machine has credentials of its own
			return errs.Wrap(errs.Unavailable, err, "The storage %s refuses the credentials (%s), and the settings hold none: give --config, or an access key and secret key in the environment, and check what they may do in the bucket.", s, r.Code)
		}
		return errs.Wrap(errs.Unavailable, err, "The storage %s refuses the credentials (%s): check them, and what they may do in the bucket.", s, r.Code)
	case "RequestTimeTooSkewed":
		return errs.Wrap(errs.Unavailable, err, "The clocks of this machine and of the storage %s differ too much.", s)
	case minio.InvalidRange:
		return outside(name)
	case "InvalidRequest":
		if strings.Contains(r.Message, "ObjectLock") || strings.Contains(r.Message, "Object Lock") {
			return errs.Wrap(errs.Unsupported, err, "The bucket %s has no Object Lock.", s.bucket())
		}
	}
	return &errs.Error{Code: errs.Unavailable, Message: "The storage " + s.String() + " does not answer as it should", Cause: err, RetryAfter: 10 * time.Second}
}

// CheckEvidence refuses a bucket that cannot lock objects, unless mode is NoLock. The error says what to do.
func (s *S3) CheckEvidence(ctx context.Context, mode LockMode) error {
	enabled, _, err := s.lockConfig(ctx)
	if err != nil || enabled || mode == NoLock {
		return err
	}
	return errs.New(errs.Invalid, "The bucket %s has no Object Lock, so evidence in it could be deleted or replaced. Object Lock is switched on when a bucket is made (mc mb --with-lock, "+
		"aws s3api create-bucket --object-lock-enabled-for-bucket): make another bucket and set storage to it, or set storage-lock to off and do without.", s.bucket())
}

// CheckWorking refuses a bucket that locks every new object: erasure and retention rewrite working copies, and exports expire.
func (s *S3) CheckWorking(ctx context.Context) error {
	_, byDefault, err := s.lockConfig(ctx)
	if err != nil || !byDefault {
		return err
	}
	return errs.New(errs.Invalid, "The bucket %s locks every new object by default, so working copies could not be erased and exports not be deleted. Remove its default retention "+
		"(mc retention clear --default, aws s3api put-object-lock-configuration), or set storage-working to another bucket.", s.bucket())
}

// lockConfig tells whether the bucket can lock objects, and whether it locks all of them by default. It fails when the bucket is not there or not for us.
func (s *S3) lockConfig(ctx context.Context) (enabled, byDefault bool, err error) {
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	there, err := s.core.BucketExists(ctx, s.bucket())
	if err != nil {
		return false, false, s.fail(err, "")
	}
	if !there {
		return false, false, s.fail(minio.ErrorResponse{Code: minio.NoSuchBucket}, "")
	}
	lock, mode, _, _, err := s.core.GetObjectLockConfig(ctx, s.bucket())
	if code := minio.ToErrorResponse(err).Code; err != nil && (strings.HasPrefix(code, "ObjectLockConfigurationNotFound") || code == "NoSuchObjectLockConfiguration" || code == "NotImplemented") {
		return false, false, nil
	}
	if err != nil {
		return false, false, s.fail(err, "")
	}
	return lock == "Enabled", mode != nil && *mode != "", nil
}
