package deploy

import (
	"testing"

	"probity.dev/test/instance"
)

func TestMain(m *testing.M) { instance.Main(m, nil) }
