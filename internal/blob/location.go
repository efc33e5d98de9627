package blob

import (
	"net/url"
	"regexp"
	"strings"

	"probity.dev/internal/errs"
)

// Location says where in which object store something lies.
type Location struct {
	Endpoint string // host and port
	Secure   bool   // https
	Region   string
	Bucket   string
	Prefix   string // "" or ends with a slash
}

// DefaultRegion is used where a location names none.
const DefaultRegion = "us-east-1"

var bucketPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// ParseLocation reads s3://bucket/prefix?endpoint=https://host:port&region=name. Without an endpoint it is Amazon's of the region. Errors are Invalid and do not repeat the text, which
// may hold a password that does not belong there.
func ParseLocation(text string) (Location, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" {
		return Location{}, errs.New(errs.Invalid, "must be a location such as s3://bucket/prefix?endpoint=https://s3.example.com&region=eu-central-1")
	}
	if u.User != nil {
		return Location{}, errs.New(errs.Invalid, "must not hold credentials; give them as storage-access-key and storage-secret-key")
	}
	l := Location{Bucket: u.Host, Region: DefaultRegion, Secure: true, Prefix: strings.Trim(u.Path, "/")}
	if !bucketPattern.MatchString(l.Bucket) {
		return Location{}, errs.New(errs.Invalid, "must name a bucket, such as s3://audit-evidence")
	}
	if l.Prefix != "" {
		if err := checkName(l.Prefix); err != nil {
			return Location{}, errs.New(errs.Invalid, "must not have empty or dotted segments in its path")
		}
		l.Prefix += "/"
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Fragment != "" {
		return Location{}, errs.New(errs.Invalid, "must not have a fragment, and its parameters must be endpoint and region")
	}
	endpoint := ""
	for name, v := range q {
		switch {
		case len(v) == 1 && v[0] != "" && name == "endpoint":
			endpoint = v[0]
		case len(v) == 1 && v[0] != "" && name == "region":
			l.Region = v[0]
		default:
			return Location{}, errs.New(errs.Invalid, "may have the parameters endpoint and region only, once each")
		}
	}
	if endpoint == "" {
		l.Endpoint = "s3." + l.Region + ".amazonaws.com"
		return l, nil
	}
	e, err := url.Parse(endpoint)
	if err != nil || e.Scheme != "http" && e.Scheme != "https" || e.Host == "" || strings.Trim(e.Path, "/") != "" || e.User != nil || e.RawQuery != "" || e.Fragment != "" {
		return Location{}, errs.New(errs.Invalid, "the endpoint must be an address without a path, such as https://s3.example.com:9000")
	}
	l.Endpoint, l.Secure = e.Host, e.Scheme == "https"
	return l, nil
}

// String is the location without the region.
func (l Location) String() string {
	return "s3://" + strings.TrimSuffix(l.Bucket+"/"+l.Prefix, "/") + " at " + l.Endpoint
}

// Overlaps reports whether an object can lie in both locations.
func (l Location) Overlaps(o Location) bool {
	return l.SameBucket(o) && (strings.HasPrefix(l.Prefix, o.Prefix) || strings.HasPrefix(o.Prefix, l.Prefix))
}

// SameBucket reports whether both locations are in one bucket.
func (l Location) SameBucket(o Location) bool {
	return l.Endpoint == o.Endpoint && l.Bucket == o.Bucket
}
