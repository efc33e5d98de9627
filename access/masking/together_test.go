package masking

import (
	"testing"

	"pgregory.net/rapid"
)

// TestSeveralRolesShowWhatAnyShows compares what a reader with several roles sees of a category with what each of them shows alone.
func TestSeveralRolesShowWhatAnyShows(t *testing.T) {
	categories := []string{"user", "user.name", "user.contact", "user.contact.email", "user.contact.email.work", "user.financial", "system", "user.content"}
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Roles: map[string]Role{}}
		names := []string{"a", "b", "c"}
		for _, n := range names {
			r := Role{Default: Mask(rapid.IntRange(0, int(maskCount)-1).Draw(t, "default")), Unknown: Mask(rapid.IntRange(0, int(maskCount)-1).Draw(t, "unknown")), Nothing: rapid.IntRange(0, 5).Draw(t, "nothing") == 0,
				Categories: map[string]Mask{}}
			for _, c := range rapid.SliceOfDistinct(rapid.SampledFrom(categories), rapid.ID[string]).Draw(t, "categories") {
				r.Categories[c] = Mask(rapid.IntRange(0, int(maskCount)-1).Draw(t, "mask"))
			}
			p.Roles[n] = r
		}
		all := p.together(append(names, "unknown"))
		for _, c := range append(categories, "user.other", "user.contact.email.work.x") {
			want, shown := Drop, false
			for _, n := range names {
				if r := p.Roles[n]; !r.Nothing {
					want, shown = weaker(want, r.mask(c)), true
				}
			}
			if all.Nothing == shown {
				t.Fatalf("nothing: %v", all.Nothing)
			}
			if shown && strengths[all.mask(c)] != strengths[want] {
				t.Fatalf("%s: %d, want %d", c, all.mask(c), want)
			}
		}
	})
	if !Builtin().together(nil).Nothing || !Builtin().together([]string{"no-such"}).Nothing || !Builtin().together([]string{"writer", "patient"}).Nothing {
		t.Error("nobody sees something")
	}
}
