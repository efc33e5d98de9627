package api

import (
	"reflect"
	"strings"
	"testing"

	"probity.dev/internal/actor"
)

type maskedFilter map[string][]string

// MaskTexts implements Maskable.
func (f maskedFilter) MaskTexts(mask func(category, text string) string) any {
	out := maskedFilter{}
	for k, list := range f {
		for _, v := range list {
			out[k] = append(out[k], mask("user", v))
		}
	}
	return out
}

type maskedItem struct {
	ID     string
	Name   string   `mask:"user.name"`
	Emails []string `mask:"user.contact.email"`
	Count  int      `mask:"user"`
	By     string   `mask:"user.name,access.approve"`
	Filter maskedFilter
	Next   *maskedItem
	hidden string
}

func TestAnswersAreMasked(t *testing.T) {
	type answer struct {
		Items []*maskedItem
		By    map[string]maskedItem
		Plain []string
	}
	item := func() *maskedItem {
		return &maskedItem{ID: "1", Name: "Ana", Emails: []string{"a@x", "b@x"}, Count: 3, By: "Bo", Filter: maskedFilter{"actor": {"Cy"}}, Next: &maskedItem{ID: "2", Name: "Ina"}, hidden: "h"}
	}
	in := &answer{Items: []*maskedItem{item(), nil}, By: map[string]maskedItem{"x": *item()}, Plain: []string{"Ana"}}
	mask := func(category, text string) string { return "<" + category + " " + strings.Repeat("*", len(text)) + ">" }
	p := &actor.Principal{Name: "Ina"}
	got := masked(reflect.ValueOf(in), p, mask).Interface().(*answer)
	want := &maskedItem{ID: "1", Name: "<user.name ***>", Emails: []string{"<user.contact.email ***>", "<user.contact.email ***>"}, By: "<user.name **>", Filter: maskedFilter{"actor": {"<user **>"}},
		Next: &maskedItem{ID: "2", Name: "Ina"}, hidden: "h"}
	if !reflect.DeepEqual(got.Items[0], want) || got.Items[1] != nil || !reflect.DeepEqual(got.By["x"], *want) || got.Plain[0] != "Ana" {
		t.Errorf("%+v %+v", got.Items[0], got.Items[0].Next)
	}
	if !reflect.DeepEqual(in.Items[0], item()) {
		t.Error("the answer's own values were changed, which others may hold")
	}
	p.Permissions = []string{actor.AccessApprove}
	if got := masked(reflect.ValueOf(in), p, mask).Interface().(*answer); got.Items[0].By != "Bo" {
		t.Error(got.Items[0].By)
	}
	if needsMask(reflect.TypeFor[struct{ A, B []string }]()) {
		t.Error("there is nothing to mask")
	}
}
