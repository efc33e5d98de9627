//go:build probity_next

package sqldb

import (
	"embed"
	"io/fs"
	"strings"
	"testing/fstest"
)

//go:embed next
var nextFiles embed.FS

// A program built with the tag probity_next is what the next release might be: it knows migrations that this one does not. The tests of upgrades run it beside this one.
func init() {
	merged := fstest.MapFS{}
	add := func(from fs.FS, rename func(string) string) {
		err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := fs.ReadFile(from, name)
			merged[rename(name)] = &fstest.MapFile{Data: b}
			return err
		})
		if err != nil {
			panic(err)
		}
	}
	add(embedded, func(name string) string { return name })
	all, err := steps(dirPostgres)
	if err != nil {
		panic(err)
	}
	previousSchema = all[len(all)-1].Version
	add(nextFiles, func(name string) string { return "migrations" + strings.TrimPrefix(name, "next") })
	schemaFiles = merged
}
