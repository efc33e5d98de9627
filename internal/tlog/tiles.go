package tlog

import (
	"context"

	"probity.dev/internal/errs"
)

// TileReader reads stored tiles. Implementations MUST be safe for concurrent use.
type TileReader interface {
	// ReadTile returns the first width hashes (1 … TileWidth) of a tile, width*HashSize bytes, which the caller does not
	// change. A tile that is not stored is an error of code not_found.
	ReadTile(ctx context.Context, level uint8, index uint64, width int) ([]byte, error)
}

// TileReaderFunc is a function that reads tiles.
type TileReaderFunc func(ctx context.Context, level uint8, index uint64, width int) ([]byte, error)

// ReadTile calls f.
func (f TileReaderFunc) ReadTile(ctx context.Context, level uint8, index uint64, width int) ([]byte, error) {
	return f(ctx, level, index, width)
}

// readTile reads a tile and checks the length of what came back, so that no caller has to.
func readTile(ctx context.Context, tr TileReader, level uint8, index uint64, width int) ([]byte, error) {
	b, err := tr.ReadTile(ctx, level, index, width)
	if err != nil {
		return nil, err
	}
	if len(b) < width*HashSize {
		return nil, errs.New(errs.Internal, "tile %s is too short: %d bytes", Tile{Level: level, Index: index, Width: width}.Path(), len(b))
	}
	return b[:width*HashSize], nil
}

// TileWidthAt returns how many complete hashes the tile (level, index) has in a tree of the given size; 0 when it does not exist.
func TileWidthAt(level uint8, index, size uint64) int {
	if level >= maxLevels {
		return 0
	}
	n := size >> (TileHeight * uint(level))
	if n>>TileHeight < index {
		return 0
	}
	if n -= index << TileHeight; n < TileWidth {
		return int(n)
	}
	return TileWidth
}

// Edge is the right edge of a tree at one size: the contents of its partial tiles.
type Edge struct {
	size  uint64
	root  Hash
	tiles [maxLevels][]byte
}

// Size is the number of leaves.
func (e *Edge) Size() uint64 { return e.size }

// Root is the RFC 6962 root.
func (e *Edge) Root() Hash { return e.root }

// Reader returns a reader of every tile of the tree at the edge's size: full ones from store, the right edge from memory. It also
// serves any narrower width, and so every earlier size.
func (e *Edge) Reader(store TileReader) TileReader {
	return TileReaderFunc(func(ctx context.Context, level uint8, index uint64, width int) ([]byte, error) {
		have := TileWidthAt(level, index, e.size)
		if width < 1 || width > have {
			return nil, errs.New(errs.NotFound, "tile %s does not exist at size %d", Tile{Level: level, Index: index, Width: width}.Path(), e.size)
		}
		if have < TileWidth {
			return e.tiles[level][:width*HashSize], nil
		}
		b, err := readTile(ctx, store, level, index, TileWidth)
		if err != nil {
			return nil, err
		}
		return b[:width*HashSize], nil
	})
}

// MemoryTiles is an in-memory store of full tiles.
type MemoryTiles map[TileID][]byte

// TileID addresses a full tile.
type TileID struct {
	Level uint8
	Index uint64
}

// Put stores tiles.
func (m MemoryTiles) Put(tiles []TileWrite) {
	for _, t := range tiles {
		m[TileID{t.Level, t.Index}] = t.Data
	}
}

// ReadTile implements [TileReader].
func (m MemoryTiles) ReadTile(_ context.Context, level uint8, index uint64, width int) ([]byte, error) {
	b, ok := m[TileID{level, index}]
	if !ok || width < 1 || width*HashSize > len(b) {
		return nil, errs.New(errs.NotFound, "tile %s is not stored", Tile{Level: level, Index: index, Width: width}.Path())
	}
	return b[:width*HashSize], nil
}
