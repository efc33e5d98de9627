package evidence

import "testing"

func TestKeyringAgrees(t *testing.T) {
	var r Keyring
	for round := range 3 {
		period := fill(byte(1 + round))
		r.Joint = round == 1
		r.Reset(&period)
		var want []GroupKeys
		for i := range 40 {
			var owners []Hash
			for k := range i % 4 {
				owners = append(owners, fill(byte(i+k)))
			}
			if r.Add(owners) != i || r.Len() != i+1 {
				t.Fatal("the number of the group")
			}
			want = append(want, DeriveGroup(period, owners...))
			if i == 7+20*round {
				r.Derive()
			}
		}
		r.Derive()
		for i := range want {
			if *r.G(i) != want[i].G || *r.Enc(i) != want[i].Enc() || !r.Joint && *r.Tag(i) != want[i].Tag() {
				t.Errorf("round %d: keys of group %d", round, i)
			}
		}
	}
}

func TestHMACsAgree(t *testing.T) {
	var m HMACs
	for range 2 {
		m.Reset()
		var want []Hash
		for i := range 50 {
			key := fill(byte(i))
			m.Add(&key, []byte("some text")[:i%9])
			want = append(want, HMAC(&key, []byte("some text")[:i%9]))
		}
		got := m.Sums(nil)
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("HMAC %d", i)
			}
		}
	}
}
