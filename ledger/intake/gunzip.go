package intake

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"

	"probity.dev/internal/errs"
)

const (
	freeBytes    = 64 << 20 // decompressed before the ratio is looked at
	defaultRatio = 500
)

// gunzip returns r, decompressed when it is gzip, with the limits of o.
func gunzip(r io.Reader, o Options) (io.Reader, error) {
	in := &counter{r: r}
	br := bufio.NewReaderSize(in, 64<<10)
	magic, err := br.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	g := &guard{r: br, in: in, max: o.MaxBytes}
	if len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "The file looks like gzip and cannot be decompressed.")
		}
		g.r = z
		if g.ratio = int64(o.MaxRatio); g.ratio == 0 {
			g.ratio = defaultRatio
		}
	}
	return g, nil
}

type counter struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// guard stops a decompression bomb: a stream that grows beyond a limit, or by an absurd factor.
type guard struct {
	r     io.Reader
	in    *counter
	out   int64
	max   int64
	ratio int64 // 0 when not compressed
}

// Read implements io.Reader.
func (g *guard) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	g.out += int64(n)
	switch {
	case g.max > 0 && g.out > g.max:
		return 0, errs.New(errs.TooLarge, "The decompressed content is larger than %d bytes.", g.max)
	case g.ratio > 0 && g.out > freeBytes && g.out/g.ratio > g.in.n:
		return 0, errs.New(errs.TooLarge, "The content is compressed more than %d times; this looks like a decompression bomb.", g.ratio)
	case err != nil && !errors.Is(err, io.EOF) && g.ratio > 0:
		return n, errs.Wrap(errs.Invalid, err, "The gzip file is damaged or cut short.")
	}
	return n, err
}
