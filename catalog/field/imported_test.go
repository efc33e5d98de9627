package field

import (
	"testing"

	"probity.dev/ledger/event"
)

// TestImportedRecordsAreNotTheProductsOwn keeps the rules for the product's own events of the log away from records that come in as log.record.
func TestImportedRecordsAreNotTheProductsOwn(t *testing.T) {
	c := New(nil)
	for _, path := range []string{"/data/actor/displayName", "/data/data/name", "/data/target_user/name", "/data/summary"} {
		if k := c.Classify("log.record", path, []byte(`"Homer Simpson"`)); k.Kind == event.Operational {
			t.Errorf("%s: a name stays in clear", path)
		}
	}
}
