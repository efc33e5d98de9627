package datamap

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"probity.dev/internal/errs"
	"probity.dev/internal/yamlfile"
)

// Parse reads a map from YAML or JSON: our own form, or Fides's ("dataset:" with fides_key and fides_meta). name is what an
// error calls the text. Unknown members are refused, since a misspelt one would be a gap that nobody sees. The map that it
// returns has passed [Map.Check].
func Parse(name string, text []byte) (*Map, error) {
	if len(text) > MaxBytes {
		return nil, errs.New(errs.Invalid, "%s: a data map has at most %d MiB", name, MaxBytes>>20)
	}
	var top map[string]yaml.Node
	if err := yaml.Unmarshal(text, &top); err != nil {
		return nil, yamlfile.Malformed(name, err)
	}
	m := &Map{}
	if _, fides := top["dataset"]; fides {
		var f fidesFile
		if err := strictly(text, &f); err != nil {
			return nil, yamlfile.Malformed(name, err)
		}
		m.Datasets = f.datasets()
	} else if err := strictly(text, m); err != nil {
		return nil, yamlfile.Malformed(name, err)
	}
	if err := m.Check(); err != nil {
		return nil, located(name, text, err)
	}
	return m, nil
}

func strictly(text []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("a data map is one document; this has several")
	}
	return nil
}

// located adds the file and the line to what Check has found.
func located(name string, text []byte, err error) error {
	var e *errs.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return err
	}
	out := *e
	out.Fields = append([]errs.FieldError{}, e.Fields...)
	line := yamlfile.Line(text, steps(e.Fields[0].Pointer)...)
	out.Message = errs.Message(yamlfile.At(name, line, errs.New(errs.Invalid, "%s", e.Fields[0].Detail)))
	return &out
}

// steps turns a JSON pointer into the path that package yamlfile takes.
func steps(pointer string) []any {
	var path []any
	for s := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		n, digits := 0, s != ""
		for _, r := range s {
			digits = digits && r >= '0' && r <= '9'
			n = n*10 + int(r-'0')
		}
		if digits {
			path = append(path, n)
		} else {
			path = append(path, s)
		}
	}
	return path
}

// YAML writes a map in our own form, as Parse reads it.
func (m *Map) YAML() ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(m); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "the data map cannot be written")
	}
	return b.Bytes(), e.Close()
}
