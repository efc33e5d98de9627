package tlog

import (
	"fmt"
	"strconv"
	"strings"

	"probity.dev/internal/errs"
)

// Tile addresses a tile or an entry bundle as C2SP tlog-tiles does.
type Tile struct {
	// Entries says it is an entry bundle; Level is then 0.
	Entries bool
	Level   uint8 // 0 … 63
	Index   uint64
	Width   int // 1 … TileWidth; TileWidth is a full tile
}

// Path formats the address: tile/0/x001/067 or tile/entries/x001/067.p/12.
func (t Tile) Path() string {
	level := "entries"
	if !t.Entries {
		level = strconv.Itoa(int(t.Level))
	}
	n := fmt.Sprintf("%03d", t.Index%1000)
	for i := t.Index / 1000; i > 0; i /= 1000 {
		n = fmt.Sprintf("x%03d/%s", i%1000, n)
	}
	p := "tile/" + level + "/" + n
	if t.Width < TileWidth {
		p += ".p/" + strconv.Itoa(t.Width)
	}
	return p
}

// ParseTilePath parses what [Tile.Path] formats and nothing else: no other spelling of the same tile is accepted.
func ParseTilePath(path string) (Tile, error) {
	bad := errs.New(errs.NotFound, "this is not the path of a tile")
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok || len(path) > 64 {
		return Tile{}, bad
	}
	level, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return Tile{}, bad
	}
	t := Tile{Width: TileWidth}
	if level == "entries" {
		t.Entries = true
	} else if n, err := strconv.ParseUint(level, 10, 8); err != nil || n > 63 {
		return Tile{}, bad
	} else {
		t.Level = uint8(n)
	}
	rest, width, partial := strings.Cut(rest, ".p/")
	if partial {
		n, err := strconv.ParseUint(width, 10, 16)
		if err != nil || n < 1 || n >= TileWidth {
			return Tile{}, bad
		}
		t.Width = int(n)
	}
	for _, part := range strings.Split(rest, "/") {
		n, err := strconv.ParseUint(strings.TrimPrefix(part, "x"), 10, 16)
		if err != nil || n > 999 || t.Index > MaxSize/1000 {
			return Tile{}, bad
		}
		t.Index = t.Index*1000 + n
	}
	if t.Path() != path {
		return Tile{}, bad
	}
	return t, nil
}
