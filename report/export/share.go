package export

import (
	"context"
	"io"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// SharedFile is the file of an export as somebody sees it who was given a link.
type SharedFile struct {
	Name, ContentType, SHA256 string
	Bytes                     int64
	// ExpiresAt is when the file goes.
	ExpiresAt time.Time
}

// Shared returns the file of an export when by may hand out links to it: whoever may download it may.
func (s *Service) Shared(ctx context.Context, by actor.Principal, id string) (SharedFile, error) {
	j, err := s.find(ctx, by, id)
	if err != nil {
		return SharedFile{}, err
	}
	return s.fileOf(j)
}

// OpenShared returns the file of an export for the holder of a link, and with read set its content, which the caller closes. The file of somebody who may make no exports any more is not there for the holders of links either.
func (s *Service) OpenShared(ctx context.Context, tenantID, id string, read bool) (SharedFile, io.ReadCloser, error) {
	j, err := getJob(ctx, s.o.DB.Read(ctx), tenantID, id)
	if err != nil {
		return SharedFile{}, nil, err
	}
	f, err := s.fileOf(j)
	if err != nil {
		return SharedFile{}, nil, err
	}
	p, err := s.open(j)
	if err != nil {
		return SharedFile{}, nil, err
	}
	if s.o.Viewer != nil {
		if v, err := s.o.Viewer(ctx, p.Viewer); err != nil || !v.Can(actor.ExportsCreate) {
			return SharedFile{}, nil, errGone
		}
	}
	if !read {
		return f, nil, nil
	}
	body, err := openParts(ctx, s.o.Files, j.id, int(j.parts), p.Key)
	return f, body, err
}

func (s *Service) fileOf(j *job) (SharedFile, error) {
	if j.status != statusDone {
		return SharedFile{}, errs.New(errs.Conflict, "The export has no file: it is %s.", j.status)
	}
	if j.file == "" || j.expiresAt.Int64 <= s.now() {
		return SharedFile{}, errGone
	}
	return SharedFile{Name: fileName(j), ContentType: ContentType(j.format), SHA256: j.sha256, Bytes: j.bytes, ExpiresAt: time.UnixMicro(j.expiresAt.Int64)}, nil
}
