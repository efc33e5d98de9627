package send

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
)

// objectTimeout bounds writing one object.
const objectTimeout = time.Minute

// Bucket is where objects are written: a bucket of a store that speaks S3.
type Bucket struct {
	// Endpoint is the store's address without a path, such as https://s3.eu-central-1.amazonaws.com.
	Endpoint, Region, Bucket string
	// Prefix begins the name of every object; "" or ended with a slash.
	Prefix               string
	AccessKey, SecretKey string
}

// The names that S3 allows, https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html.
var (
	bucketName   = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	bucketPrefix = regexp.MustCompile(`^([A-Za-z0-9!_.*'()=-]+/){0,16}$`)
	regionName   = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
)

// CheckBucket says whether a bucket can be written to as far as that can be seen without asking the store. Errors are Invalid and name the field.
func (s *Sender) CheckBucket(b Bucket) error {
	u, err := s.HTTP.CheckURL(b.Endpoint)
	switch {
	case b.Endpoint == "":
		return errs.Field("/settings/endpoint", "required", "The address of the object store is needed.")
	case err != nil:
		return errs.Field("/settings/endpoint", "not_allowed", "The address cannot be used: %s.", err.Error())
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return errs.Field("/settings/endpoint", "invalid", "The address has no path: the bucket is a field of its own.")
	case !bucketName.MatchString(b.Bucket) || strings.Contains(b.Bucket, ".."):
		return errs.Field("/settings/bucket", "invalid", "A bucket's name has 3 to 63 small letters, digits, dots and hyphens.")
	case len(b.Prefix) > 512 || !bucketPrefix.MatchString(b.Prefix) || strings.Contains(b.Prefix, ".."):
		return errs.Field("/settings/prefix", "invalid", "A prefix is empty or ends with a slash, such as audit/prod/.")
	case !regionName.MatchString(b.Region):
		return errs.Field("/settings/region", "invalid", "A region is needed, such as us-east-1.")
	case b.AccessKey == "" || b.SecretKey == "" || len(b.AccessKey) > 256 || len(b.SecretKey) > 256:
		return errs.Field("/settings/secret_key", "required", "An access key and its secret key are needed.")
	}
	return nil
}

// PutObject makes one attempt to write an object, in place of one of the same name.
func (s *Sender) PutObject(ctx context.Context, b Bucket, name, contentType string, body []byte) Outcome {
	ctx, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	u, err := s.HTTP.CheckURL(b.Endpoint)
	if err != nil {
		e := outbound.Explain(err)
		return Outcome{Problem: e.Error(), Permanent: e.Permanent()}
	}
	client, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(b.AccessKey, b.SecretKey, ""), Secure: u.Scheme == "https", Region: b.Region, Transport: s.HTTP.Transport(), MaxRetries: 1})
	if err != nil {
		return Outcome{Problem: "the address of the object store cannot be used", Permanent: true}
	}
	_, err = client.PutObject(ctx, b.Bucket, b.Prefix+name, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{ContentType: contentType, DisableMultipart: true})
	if err == nil {
		return Outcome{OK: true, Code: 200}
	}
	r := minio.ToErrorResponse(err)
	switch r.Code {
	case minio.NoSuchBucket:
		return Outcome{Code: r.StatusCode, Problem: "the object store has no such bucket"}
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Forbidden":
		return Outcome{Code: r.StatusCode, Problem: "the object store refuses the credentials (" + r.Code + ")"}
	}
	if r.StatusCode > 0 {
		return byStatus(Outcome{Code: r.StatusCode})
	}
	e := outbound.Explain(err)
	return Outcome{Problem: e.Error(), Permanent: e.Permanent()}
}
