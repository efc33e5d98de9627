package main

import (
	"context"
	"errors"
	"os"

	"github.com/minio/minio-go/v7"

	"probity.dev/internal/blob"
	"probity.dev/internal/blob/minioserver"
	"probity.dev/internal/sqldb/pgserver"
)

// services are what a server of the server shape works on: a PostgreSQL server with the peer's settings, and an S3 server, both on this machine.
type services struct {
	dir               string
	database          *pgserver.Server
	objects           *minioserver.Server
	evidence, working blob.Location
}

func startServices(ctx context.Context, o options) (s *services, err error) {
	s = &services{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dir, err = os.MkdirTemp(o.data, "probity-bench-s3-"); err != nil {
		return s, err
	}
	if s.database, err = pgserver.Create(ctx, o.data, o.pgSet.all()); err != nil {
		return s, err
	}
	if s.objects, err = minioserver.Create(ctx, s.dir); err != nil {
		return s, err
	}
	if s.evidence, err = s.objects.Bucket(ctx, true, 0); err != nil {
		return s, err
	}
	s.working, err = s.objects.Bucket(ctx, false, 0)
	return s, err
}

// env has a server work on the services.
func (s *services) env() []string {
	if s == nil {
		return nil
	}
	return []string{"PROBITY_DATABASE=" + s.database.URL("postgres"), "PROBITY_STORAGE=" + minioserver.URL(s.evidence), "PROBITY_STORAGE_WORKING=" + minioserver.URL(s.working), "PROBITY_STORAGE_LOCK=governance",
		"AWS_ACCESS_KEY_ID=" + s.objects.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.objects.SecretKey}
}

// addStorage adds the bytes of the objects and of the database to sums, by what they are.
func (s *services) addStorage(ctx context.Context, sums map[string]int64) error {
	for _, l := range []blob.Location{s.evidence, s.working} {
		for o := range s.objects.Client.ListObjects(ctx, l.Bucket, minio.ListObjectsOptions{Recursive: true}) {
			if o.Err != nil {
				return o.Err
			}
			sums[kindOf(o.Key)] += o.Size
		}
	}
	n, err := s.database.DiskBytes()
	sums["database"] += n
	return err
}

func (s *services) close() (err error) {
	if s == nil {
		return nil
	}
	if s.objects != nil {
		s.objects.Stop()
	}
	if s.database != nil {
		err = s.database.Close()
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}
