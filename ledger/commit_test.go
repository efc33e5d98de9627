package ledger

import (
	"testing"

	"probity.dev/internal/errs"
)

// TestSubmitToAStoppedCommitter: whoever comes too late is told so. A submission could be queued after the committer had looked for the last time, and its sender, the publisher for one, waited for ever.
func TestSubmitToAStoppedCommitter(t *testing.T) {
	for range 100 { // where both the queue and the end are ready, Go chooses at random
		c := newCommitter(nil)
		c.stop()
		if err := c.submit(&submission{}); errs.CodeOf(err) != errs.Unavailable {
			t.Fatalf("%v", err)
		}
	}
}
