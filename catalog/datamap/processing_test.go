package datamap

import (
	"slices"
	"strings"
	"testing"
)

func TestTheRecordOfProcessingFollowsFromTheMap(t *testing.T) {
	m := parsed(t, strings.Replace(salonMap, "{name: article, type: string, data_categories: [user.behavior.purchase_history]}", "{name: article, type: string, data_categories: [user.health_and_medical]}", 1))
	r := m.Record()
	if len(r) != 2 {
		t.Fatalf("%d activities", len(r))
	}
	b := r[0]
	if b.Activity != "billing" || b.LegalBasis != "contract" || !slices.Equal(b.Subjects, []string{"client"}) || len(b.Sources) != 3 || slices.Contains(b.Categories, "system.operations") ||
		!slices.Contains(b.Categories, "user.contact.email") || !slices.Equal(b.Special, []string{"user.health_and_medical"}) || b.Retention != "ten years" {
		t.Errorf("billing: %+v", b)
	}
	if want := []string{"recipients", "security", "special_category_basis"}; !slices.Equal(b.Missing, want) {
		t.Errorf("missing %q, want %q", b.Missing, want)
	}
	if c := r[1]; len(c.Sources) != 0 || !slices.Contains(c.Missing, "data_categories") || c.SpecialBasis == "" {
		t.Errorf("care: %+v", c)
	}
}
