package api

import (
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
)

// Texts returns what a caller is shown of a text of a data category, or nil for a caller who sees everything. The categories are those of events, "unknown" for what people write freely, and "label" for the names of
// things, in which only what looks like a personal value is hidden.
type Texts func(p actor.Principal) func(category, text string) string

// Maskable is a part of an answer that masks itself.
type Maskable interface {
	// MaskTexts returns the value as somebody may see it; it must not change the value.
	MaskTexts(mask func(category, text string) string) any
}

// maskTag is the tag of a member of an answer that holds somebody's personal value: `mask:"user.name"`. A permission after a comma shows it to those who have it: `mask:"user.name,access.approve"`.
const maskTag = "mask"

// transform masks the answers of operations: every personal value that is no part of an event leaves the server here. What streams brings its own masks.
func (a *API) transform(hc huma.Context, _ string, v any) (any, error) {
	if a.options.Texts == nil || v == nil {
		return v, nil
	}
	t := reflect.TypeOf(v)
	if !needsMask(t) {
		return v, nil
	}
	p, ok := actor.From(hc.Context())
	if !ok {
		return v, nil
	}
	mask := a.options.Texts(p)
	if mask == nil {
		return v, nil
	}
	return masked(reflect.ValueOf(v), &p, mask).Interface(), nil
}

var (
	maskable   = reflect.TypeFor[Maskable]()
	needsCache sync.Map // reflect.Type to bool
)

// needsMask reports whether a type has a part with a tag.
func needsMask(t reflect.Type) bool {
	if known, ok := needsCache.Load(t); ok {
		return known.(bool) //nolint:errcheck,forcetypeassert // nothing else is stored
	}
	needs := lookForMask(t, map[reflect.Type]bool{})
	needsCache.Store(t, needs)
	return needs
}

func lookForMask(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if t.Implements(maskable) {
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return lookForMask(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if f.IsExported() && (f.Tag.Get(maskTag) != "" || lookForMask(f.Type, seen)) {
				return true
			}
		}
	}
	return false
}

// masked returns a copy of v, as deep as there is something to mask.
func masked(v reflect.Value, p *actor.Principal, mask func(category, text string) string) reflect.Value {
	t := v.Type()
	if !needsMask(t) {
		return v
	}
	if m, ok := v.Interface().(Maskable); ok {
		if k := t.Kind(); (k == reflect.Pointer || k == reflect.Map || k == reflect.Slice) && v.IsNil() {
			return v
		}
		return reflect.ValueOf(m.MaskTexts(mask))
	}
	switch t.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(t.Elem())
		out.Elem().Set(masked(v.Elem(), p, mask))
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(t, v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(masked(v.Index(i), p, mask))
		}
		return out
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(t, v.Len())
		for at := v.MapRange(); at.Next(); {
			out.SetMapIndex(at.Key(), masked(at.Value(), p, mask))
		}
		return out
	case reflect.Struct:
		return maskedStruct(v, p, mask)
	}
	return v
}

func maskedStruct(v reflect.Value, p *actor.Principal, mask func(category, text string) string) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		category, permission, _ := strings.Cut(f.Tag.Get(maskTag), ",")
		switch {
		case category == "":
			out.Field(i).Set(masked(v.Field(i), p, mask))
		case permission != "" && p.Can(permission):
		default:
			out.Field(i).Set(maskedText(v.Field(i), p, func(text string) string { return mask(category, text) }))
		}
	}
	return out
}

// maskedText masks a string, or the strings of a list. Whatever else has a tag is left out.
func maskedText(v reflect.Value, p *actor.Principal, mask func(string) string) reflect.Value {
	one := func(text string) string {
		if text == "" || text == p.Name || text == p.Email { // one's own
			return text
		}
		return mask(text)
	}
	switch {
	case v.Kind() == reflect.String:
		out := reflect.New(v.Type()).Elem()
		out.SetString(one(v.String()))
		return out
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).SetString(one(v.Index(i).String()))
		}
		return out
	}
	return reflect.Zero(v.Type())
}
