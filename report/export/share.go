package export

import (
	"context"
	"io"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/report/link"
)

// Shared implements link.Target: whoever may download an export may hand out links to it.
func (s *Service) Shared(ctx context.Context, by actor.Principal, id string) (link.File, error) {
	j, err := s.find(ctx, by, id)
	if err != nil {
		return link.File{}, err
	}
	return s.fileOf(j)
}

// OpenShared implements link.Target. The file of somebody who may make no exports any more is not there for the holders of links either.
func (s *Service) OpenShared(ctx context.Context, tenantID, id string, read bool) (link.File, io.ReadCloser, error) {
	j, err := getJob(ctx, s.o.DB.Read(ctx), tenantID, id)
	if err != nil {
		return link.File{}, nil, err
	}
	f, err := s.fileOf(j)
	if err != nil {
		return link.File{}, nil, err
	}
	p, err := s.open(j)
	if err != nil {
		return link.File{}, nil, err
	}
	if s.o.Viewer != nil {
		if v, err := s.o.Viewer(ctx, p.Viewer); err != nil || !v.Can(actor.ExportsCreate) {
			return link.File{}, nil, errGone
		}
	}
	if !read {
		return f, nil, nil
	}
	body, err := openParts(ctx, s.o.Files, j.id, int(j.parts), p.Key)
	return f, body, err
}

func (s *Service) fileOf(j *job) (link.File, error) {
	if j.status != statusDone {
		return link.File{}, errs.New(errs.Conflict, "The export has no file: it is %s.", j.status)
	}
	if j.file == "" || j.expiresAt.Int64 <= s.now() {
		return link.File{}, errGone
	}
	return link.File{Name: fileName(j), ContentType: ContentType(j.format), SHA256: j.sha256, Bytes: j.bytes, ExpiresAt: time.UnixMicro(j.expiresAt.Int64)}, nil
}
