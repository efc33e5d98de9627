package evidence

import "testing"

func TestEncKeysAreThoseOfTheGroups(t *testing.T) {
	var e EncKeys
	for round := range 3 {
		e.Reset()
		var want []Hash
		for n := range 10 * round {
			period, owners := Hash{byte(n), 1}, make([]Hash, n%4)
			for i := range owners {
				owners[i] = Hash{byte(n), byte(i), 2}
			}
			k := DeriveGroup(period, owners...)
			want = append(want, k.Enc())
			e.Add(&period, owners)
		}
		got := e.Keys()
		if len(got) != len(want) {
			t.Fatalf("%d keys of %d groups", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("the key of group %d is another", i)
			}
		}
	}
}
