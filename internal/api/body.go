package api

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/errs"
)

const (
	// bombFloor bytes may always be produced from a compressed body; beyond, more than bombRatio times the bytes received is refused. Audit events
	// compress 5 to 40 times; DEFLATE's limit is 1,032.
	bombFloor = 8 << 20
	bombRatio = 200
)

// limitBody bounds the request body, decompressing it first where it is gzip. Reading beyond the limit gives an error of code TooLarge; a body
// that announces itself as too long is refused before anything is read.
func limitBody(r *http.Request, limit int64) error {
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	switch encoding {
	case "", "identity":
		if limit >= 0 && r.ContentLength > limit {
			return tooLarge(limit)
		}
		if limit >= 0 {
			r.Body = &limitedBody{r: r.Body, c: r.Body, left: limit, limit: limit}
		}
		return nil
	case "gzip", "x-gzip":
		raw := &counter{r: r.Body}
		r.Body = &limitedBody{r: &gunzip{raw: raw}, c: r.Body, raw: raw, left: limit, limit: limit}
		r.ContentLength = -1
		r.Header.Del("Content-Encoding")
		r.Header.Del("Content-Length")
		return nil
	}
	return errs.New(errs.Unsupported, "The Content-Encoding is not supported; send the body as it is or with gzip.")
}

func tooLarge(limit int64) error {
	return errs.New(errs.TooLarge, "The request body is larger than %d bytes.", limit)
}

// limitedBody counts what comes out. With limit < 0 only the ratio guard applies.
type limitedBody struct {
	r     io.Reader
	c     io.Closer
	raw   *counter // of a compressed body
	left  int64
	limit int64
	total int64
	err   error
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.limit >= 0 && int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more than allowed tells "exactly at the limit" from "beyond it"
	}
	n, err := b.r.Read(p)
	b.total += int64(n)
	if b.limit >= 0 {
		if int64(n) > b.left {
			n, err = int(b.left), tooLarge(b.limit)
		}
		b.left -= int64(n)
	}
	if b.raw != nil {
		if b.total > bombFloor && b.total/bombRatio > b.raw.n {
			n, err = 0, errs.New(errs.TooLarge, "The compressed body expands more than %d times.", bombRatio)
		}
		err = gzipError(err)
	}
	b.err = err
	return n, err
}

func (b *limitedBody) Close() error { return b.c.Close() }

// gzipError says that a body is damaged, without the library's words.
func gzipError(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF) || isCorrupt(err) {
		return errs.New(errs.Invalid, "The body is not a complete gzip stream.")
	}
	return err
}

func isCorrupt(err error) bool {
	var e interface{ Error() string }
	return errors.As(err, &e) && strings.HasPrefix(e.Error(), "flate: corrupt input")
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// gunzip opens its stream on the first read, so that a request that is refused earlier never reads its body.
type gunzip struct {
	raw io.Reader
	z   *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(g.raw)
		if errors.Is(err, io.EOF) {
			return 0, io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		g.z = z
	}
	return g.z.Read(p)
}

// jsonFormat reads JSON strictly (duplicate names, invalid UTF-8 and wrongly cased names are refused) and writes it as encoding/json would,
// except that an empty list is [] and never null.
var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		return jsonv2.MarshalWrite(w, v, jsonv1.DefaultOptionsV1(), jsonv2.FormatNilSliceAsNull(false), jsonv2.FormatNilMapAsNull(false), jsontext.EscapeForHTML(false))
	},
	Unmarshal: func(data []byte, v any) error {
		err := jsonv2.Unmarshal(data, v)
		if err == nil {
			return nil
		}
		// The texts start with "expected" so that [describe] lets them through; they hold a position, never a value.
		var syntax *jsontext.SyntacticError
		if errors.As(err, &syntax) {
			if errors.Is(err, jsontext.ErrDuplicateName) {
				return fmt.Errorf("expected every name once in an object, one repeats at byte %d", syntax.ByteOffset)
			}
			return fmt.Errorf("expected valid JSON, it breaks at byte %d", syntax.ByteOffset)
		}
		var semantic *jsonv2.SemanticError
		if errors.As(err, &semantic) {
			return fmt.Errorf("expected another type of value at byte %d", semantic.ByteOffset)
		}
		return err
	},
}
