package ledger

import (
	"fmt"
	"testing"

	"probity.dev/internal/evidence"
)

// TestRecall remembers more persons than there is room for, and looks each up again while they must still be there.
func TestRecall(t *testing.T) {
	var r recall
	body := func(i int) []byte { return fmt.Appendf(nil, "%0*d", i%5000, i) }
	const n = 90_000
	for i := 1; i <= n; i++ {
		h := int64(i)*7919 + 1
		r.put(h, &evidence.Hash{byte(i)}, 0, nil) // first without a profile, as when only the secret was needed
		r.put(h, &evidence.Hash{byte(i)}, int64(i), body(i))
		r.put(h, &evidence.Hash{byte(i)}, int64(i)+1, []byte("another profile"))
		for _, k := range []int{i, i - 1, i - 1000, i - 10_000} {
			if k < 1 || i%10 != 0 {
				continue
			}
			e, text, _ := r.get(int64(k)*7919 + 1)
			if e == nil || e.secret != (evidence.Hash{byte(k)}) || e.profile != int64(k) || string(text) != string(body(k)) {
				t.Fatalf("after %d, person %d: %+v, %q", i, k, e, text)
			}
		}
	}
	if e, _, _ := r.get(7920); e != nil {
		t.Error("the first of many is still remembered")
	}
	if e, _, _ := r.get(5); e != nil {
		t.Error("somebody unknown is remembered")
	}
	if size := len(r.young.blocks)*recallBlock + r.young.n*recallEntry; size > recallBytes+recallBlock {
		t.Errorf("a generation has %d bytes", size)
	}
}

// TestRecallLeavesOutHugeBodies remembers the secret alone of somebody whose profile has no place in a block.
func TestRecallLeavesOutHugeBodies(t *testing.T) {
	var r recall
	r.put(9, &evidence.Hash{1}, 4, make([]byte, recallBlock))
	if e, body, young := r.get(9); e == nil || e.profile != 0 || len(body) > 0 || !young || e.secret != (evidence.Hash{1}) {
		t.Errorf("%+v, %d bytes", e, len(body))
	}
}
