package confine

import (
	"context"
	"testing"
)

func TestConfine(t *testing.T) {
	ctx := context.Background()
	for want, got := range map[string]string{Everybody: Of(ctx), "a": Of(To(ctx, "a")), "": Of(To(ctx, "")), "b": Of(To(Lifted(To(ctx, "a"), "test"), "b"))} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := Of(To(ctx, Everybody)); got != "" {
		t.Errorf("a tenant of that name is everybody: %q", got)
	}
	if got := Of(Lifted(To(ctx, "a"), "test")); got != Everybody {
		t.Error(got)
	}
}
