package person

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestOpenerOpensEverything opens the secrets and all profiles of persons, first and later ones, in random order and with some asked for twice, among handles that are nobody's.
func TestOpenerOpensEverything(t *testing.T) {
	s := newBench(t)
	const n = 500
	wanted := people(t, s.open(t), n)
	d := s.open(t) // nobody is in memory
	gone, later := wanted[0], wanted[n]
	if gone.Handle != later.Handle || later.Profile <= FirstProfile {
		t.Fatal("the first person has no second profile")
	}
	destroy(t, d, gone.Handle)
	var want []Wanted
	var texts []string // "" for none
	for i, w := range wanted {
		text := fmt.Sprint("profile ", i)
		if i >= n {
			text = fmt.Sprint("second profile ", 10*(i-n))
		}
		if w.Handle == gone.Handle {
			text = ""
		}
		want, texts = append(want, w), append(texts, text)
		if i%3 == 0 {
			want, texts = append(want, w), append(texts, text)
		}
	}
	for _, h := range []int64{wanted[1].Handle, wanted[n+1].Handle, gone.Handle, 1, -5, 1 << handleBits} {
		want, texts = append(want, Wanted{Handle: h}), append(texts, "")
	}
	rand.Shuffle(len(want), func(i, j int) {
		want[i], want[j], texts[i], texts[j] = want[j], want[i], texts[j], texts[i]
	})
	o := d.Read().Opener()
	for round := range 2 {
		secrets, bodies := map[int]bool{}, map[int]string{}
		err := o.Read(t.Context(), want, func(x Opened) error {
			if x.Secret != nil {
				if secret, err := d.Secret(t.Context(), want[x.At].Handle); err != nil || secret != *x.Secret {
					t.Errorf("%+v: another secret than that of the person (%v)", want[x.At], err)
				}
				secrets[x.At] = true
			} else {
				bodies[x.At] = string(x.Body)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range want {
			if bodies[i] != texts[i] {
				t.Errorf("round %d, %+v: %q in place of %q", round, w, bodies[i], texts[i])
			}
			there := w.Handle == wanted[1].Handle || w.Handle == wanted[n+1].Handle || texts[i] != ""
			if there = there && w.Profile <= FirstProfile; secrets[i] != there {
				t.Errorf("round %d, %+v: a secret was yielded: %v", round, w, secrets[i])
			}
		}
	}
}

// TestOpenerRefusesAnotherPersonsProfile asks for a later profile in the name of somebody else.
func TestOpenerRefusesAnotherPersonsProfile(t *testing.T) {
	s := newBench(t)
	wanted := people(t, s.open(t), 20)
	d := s.open(t)
	err := d.Read().Opener().Read(t.Context(), []Wanted{{wanted[1].Handle, wanted[20].Profile}}, func(x Opened) error {
		t.Errorf("%q was opened", x.Body)
		return nil
	})
	if err == nil {
		t.Error("no error")
	}
}
