package blobtest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/minio/minio-go/v7"

	"probity.dev/internal/blob"
	"probity.dev/internal/blob/minioserver"
)

// Server is a MinIO server with an empty folder of its own, whose troubles fail a test.
type Server struct {
	*minioserver.Server
	t testing.TB
}

// Start starts a server that ends with the test. Without the server's program, which scripts/minio.sh builds, the test fails: what it says about stores would be known to nobody.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := minioserver.Create(context.Background(), t.TempDir())
	if s != nil {
		t.Cleanup(s.Stop)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &Server{s, t}
}

// Restart starts the server again after Stop, on the same address and with the same content.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.Start(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

// Bucket makes a bucket, with Object Lock when lock is true, that keeps every object for the given number of days when that is not 0.
func (s *Server) Bucket(lock bool, days uint) blob.Location {
	s.t.Helper()
	l, err := s.Server.Bucket(context.Background(), lock, days)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// URL is a location as a setting says it.
func URL(l blob.Location) string { return minioserver.URL(l) }

// Open opens a store in a bucket of the server.
func (s *Server) Open(l blob.Location, change ...func(*blob.S3Options)) *blob.S3 {
	s.t.Helper()
	o := blob.S3Options{Location: l, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Spool: filepath.Join(s.t.TempDir(), "spool")}
	for _, c := range change {
		c(&o)
	}
	store, err := blob.OpenS3(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}

// Versions counts the versions of an object as another program sees them, delete markers included.
func (s *Server) Versions(l blob.Location, name string) (n int) {
	s.t.Helper()
	for v := range s.Client.ListObjects(context.Background(), l.Bucket, minio.ListObjectsOptions{Prefix: l.Prefix + name, WithVersions: true, Recursive: true}) {
		if v.Err != nil {
			s.t.Fatal(v.Err)
		}
		if v.Key == l.Prefix+name {
			n++
		}
	}
	return n
}
