package query_test

import "testing"

func TestGen(t *testing.T) { d := benchData(t, 10_000_000, 0); t.Log(len(d.Blocks), len(d.Merged)) }
