package blob_test

import (
	"path/filepath"
	"testing"

	"probity.dev/internal/blob"
	"probity.dev/internal/blob/blobtest"
)

const large = 11 << 20 // two whole parts and a bit

func TestDir(t *testing.T) {
	d, err := blob.OpenDir(filepath.Join(t.TempDir(), "new"))
	if err != nil {
		t.Fatal(err)
	}
	blobtest.Run(t, d, false, large)
}

func TestS3(t *testing.T) {
	s := blobtest.Start(t)
	for name, lock := range map[string]bool{"lock": true, "plain": false} {
		t.Run(name, func(t *testing.T) {
			cache, err := blob.OpenCache(t.TempDir(), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			store := s.Open(s.Bucket(lock, 0), func(o *blob.S3Options) { o.PartSize = 5 << 20 })
			blobtest.Run(t, blob.NewCached(store, cache), lock, large)
		})
	}
}
