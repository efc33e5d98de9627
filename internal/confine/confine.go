package confine

import "context"

type key struct{}

// Everybody is the scope of statements that are not confined.
const Everybody = "*"

// To returns a context whose statements touch the rows of one tenant only; of none when tenantID is empty.
func To(ctx context.Context, tenantID string) context.Context {
	if tenantID == Everybody {
		tenantID = ""
	}
	return context.WithValue(ctx, key{}, tenantID)
}

// Lifted returns a context whose statements are not confined, within a request that is. why names what needs it, for whoever reads the code.
func Lifted(ctx context.Context, why string) context.Context {
	_ = why
	return context.WithValue(ctx, key{}, Everybody)
}

// Of returns the tenant to which statements with ctx are confined, [Everybody] when they are not.
func Of(ctx context.Context) string {
	if s, ok := ctx.Value(key{}).(string); ok {
		return s
	}
	return Everybody
}
