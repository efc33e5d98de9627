package field

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

//go:embed taxonomy.tsv
var taxonomyTSV string

// Category is one of the taxonomy's data categories.
type Category struct {
	Key  string `json:"key" example:"user.contact.email"`
	Name string `json:"name" example:"E-mail address"`
}

// Taxonomy returns the data categories of Fideslang 3 in the order of their keys. The slice is shared: leave it as it is.
var Taxonomy = sync.OnceValue(func() []Category {
	var all []Category
	for line := range strings.Lines(taxonomyTSV) {
		if key, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			all = append(all, Category{key, name})
		}
	}
	slices.SortFunc(all, func(a, b Category) int { return strings.Compare(a.Key, b.Key) })
	return all
})

// Known reports whether a data category is one of the taxonomy, or an extension below one of its top-level categories' children: "user.contact.pager" is, "customer.email" is not.
func Known(category string) bool {
	for at := category; at != ""; {
		_, found := slices.BinarySearchFunc(Taxonomy(), at, func(c Category, key string) int { return strings.Compare(c.Key, key) })
		if found {
			return at == category || strings.Contains(at, ".")
		}
		at = at[:max(strings.LastIndexByte(at, '.'), 0)]
	}
	return false
}

// Special reports whether a category is one of the special categories of GDPR Art. 9, or of Art. 10 (criminal history).
func Special(category string) bool {
	return slices.ContainsFunc(special, func(parent string) bool { return Within(category, parent) })
}

var special = []string{Health, Genetic, Biometric, "user.authorization.biometric", Politics, Ethnicity, Religion, Orientation, Criminal}
