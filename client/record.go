package client

import (
	"bytes"
	"encoding/json"
)

// UnmarshalJSON reads a record and keeps the text that it came as.
func (r *Record) UnmarshalJSON(b []byte) error {
	type plain Record // without this method
	if err := json.Unmarshal(b, (*plain)(r)); err != nil {
		return err
	}
	r.Raw = bytes.Clone(b)
	return nil
}
