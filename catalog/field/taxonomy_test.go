package field

import "testing"

func TestEveryCategoryInUseIsKnown(t *testing.T) {
	if n := len(Taxonomy()); n != 85 {
		t.Errorf("the taxonomy has %d categories, want 85", n)
	}
	used := map[string]bool{}
	for c := range sensitiveNames {
		used[c] = true
	}
	for c := range personalNames {
		used[c] = true
	}
	for c := range used {
		if !Known(c) {
			t.Errorf("%s is not of the taxonomy", c)
		}
	}
	for c, want := range map[string]bool{"user": true, "user.contact.pager": true, "user.shoe_size": false, "customer.email": false, "": false, "user.": false, "system.operations": true} {
		if Known(c) != want {
			t.Errorf("Known(%q) is not %v", c, want)
		}
	}
	if !Special("user.health_and_medical.record_id") || Special("user.contact.email") || Special("user.health_and_medicals") {
		t.Error("special categories are not told apart")
	}
}
