package blob_test

import (
	"testing"

	"github.com/minio/minio-go/v7"

	"probity.dev/internal/blob/blobtest"
	"probity.dev/internal/errs"
)

// TestSwap replaces an object that is still the one that was read, and no other, also where a bucket keeps versions.
func TestSwap(t *testing.T) {
	server := blobtest.Start(t)
	for name, lock := range map[string]bool{"plain": false, "versions": true} {
		l := server.Bucket(lock, 0)
		s := server.Open(l)
		swap := func(tag, text string) string {
			t.Helper()
			next, err := s.Swap(t.Context(), "marks/x.json", tag, []byte(text))
			if err != nil || next == "" || next == tag {
				t.Fatalf("%s: %q became %q: %v", name, tag, next, err)
			}
			return next
		}
		content, tag, err := s.Fetch(t.Context(), "marks/x.json")
		if err != nil || tag != "" || content != nil {
			t.Fatalf("%s: %q %q %v", name, content, tag, err)
		}
		if _, err := s.Swap(t.Context(), "marks/x.json", "0123456789abcdef0123456789abcdef ", []byte("x")); errs.CodeOf(err) != errs.Conflict {
			t.Errorf("%s: one that is not there was replaced: %v", name, err)
		}
		first := swap("", "one")
		if _, err := s.Swap(t.Context(), "marks/x.json", "", []byte("other")); errs.CodeOf(err) != errs.Conflict {
			t.Errorf("%s: one that is there was made: %v", name, err)
		}
		second := swap(first, "two")
		if _, err := s.Swap(t.Context(), "marks/x.json", first, []byte("other")); errs.CodeOf(err) != errs.Conflict {
			t.Errorf("%s: one that had changed was replaced: %v", name, err)
		}
		content, tag, err = s.Fetch(t.Context(), "marks/x.json")
		if err != nil || tag != second || string(content) != "two" {
			t.Errorf("%s: %q %q, want tag %q: %v", name, content, tag, second, err)
		}
		swap(tag, "three")
		if n := server.Versions(l, "marks/x.json"); n != 1 {
			t.Errorf("%s: %d versions are there", name, n)
		}
		if err := server.Client.RemoveObject(t.Context(), l.Bucket, l.Prefix+"marks/x.json", minio.RemoveObjectOptions{}); err != nil {
			t.Error(err)
		}
		if _, tag, err := s.Fetch(t.Context(), "marks/x.json"); err != nil || tag != "" {
			t.Errorf("%s: a deleted one has the tag %q: %v", name, tag, err)
		}
	}
}
