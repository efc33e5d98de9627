package token

import (
	"context"
	"encoding/json"
	"time"

	"probity.dev/access/scope"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

const issuerColumns = `id, tenant_id, issuer, audience, definition, paused, created_at`

func scanIssuer(r scope.Scanner) (Issuer, error) {
	var is Issuer
	var definition, issuer, audience string
	var paused, created int64
	if err := r.Scan(&is.ID, &is.TenantID, &issuer, &audience, &definition, &paused, &created); err != nil {
		return is, scope.Scanned(err, "There is no such issuer.")
	}
	if err := json.Unmarshal([]byte(definition), &is.Definition); err != nil {
		return is, errs.Wrap(errs.Internal, err, "an issuer cannot be read")
	}
	is.Issuer, is.Audience, is.Paused, is.CreatedAt = issuer, audience, paused != 0, time.UnixMicro(created).UTC()
	return is, nil
}

func issuersOf(ctx context.Context, q scope.Querier, tenant string) ([]Issuer, error) {
	rows, err := scope.In(q, tenant).Rows(ctx, `SELECT `+issuerColumns+` FROM token_issuer WHERE tenant_id = $1 ORDER BY created_at, id`)
	return scope.Collect(rows, err, scanIssuer)
}

func issuerOf(ctx context.Context, q scope.Querier, tenant, id string) (Issuer, error) {
	return scanIssuer(scope.In(q, tenant).Row(ctx, `SELECT `+issuerColumns+` FROM token_issuer WHERE id = $1 AND tenant_id = $2`, id))
}

// issuersNamed returns the issuers of all tenants under a name, because the name and the audience of a token say whose it is; maxNamed at most.
func issuersNamed(ctx context.Context, q scope.Querier, issuer string) ([]Issuer, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+issuerColumns+` FROM token_issuer WHERE issuer = $1 ORDER BY id LIMIT 1000`, issuer)
	return scope.Collect(rows, err, scanIssuer)
}

var errTaken = errs.New(errs.Conflict, "This issuer is entered with this audience already. Take another audience, which no other tenant uses.")

// free refuses a name and audience that another row has, in whatever tenant. The unique index is the last word.
func free(ctx context.Context, q scope.Querier, is Issuer) error {
	var n int
	if err := q.QueryRowContext(ctx, `SELECT COUNT(*) FROM token_issuer WHERE issuer = $1 AND audience = $2 AND id <> $3`, is.Issuer, is.Audience, is.ID).Scan(&n); err != nil {
		return sqldb.Translate(err)
	}
	if n > 0 {
		return errTaken
	}
	return nil
}

func insertIssuer(ctx context.Context, q scope.Querier, is Issuer) error {
	if err := free(ctx, q, is); err != nil {
		return err
	}
	_, err := scope.In(q, is.TenantID).Exec(ctx, `INSERT INTO token_issuer (id, issuer, audience, definition, paused, created_at, tenant_id) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		is.ID, is.Issuer, is.Audience, definitionText(is.Definition), flag(is.Paused), is.CreatedAt.UnixMicro())
	return err
}

func updateIssuer(ctx context.Context, q scope.Querier, is Issuer) error {
	if err := free(ctx, q, is); err != nil {
		return err
	}
	return scope.In(q, is.TenantID).Must(ctx, errNoIssuer, `UPDATE token_issuer SET issuer = $1, audience = $2, definition = $3, paused = $4 WHERE id = $5 AND tenant_id = $6`,
		is.Issuer, is.Audience, definitionText(is.Definition), flag(is.Paused), is.ID)
}

var errNoIssuer = errs.New(errs.NotFound, "There is no such issuer.")

func deleteIssuer(ctx context.Context, q scope.Querier, tenant, id string) error {
	return scope.In(q, tenant).Must(ctx, errNoIssuer, `DELETE FROM token_issuer WHERE id = $1 AND tenant_id = $2`, id)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// signingKey is a key that signs tokens of our own. secret is sealed.
type signingKey struct {
	kid, tenant    string
	secret, public []byte
	created        time.Time
	retired        time.Time // zero for the key that signs
}

const keyColumns = `kid, tenant_id, secret, public, created_at, retired_at`

func scanKey(r scope.Scanner) (signingKey, error) {
	var k signingKey
	var created, retired int64
	if err := r.Scan(&k.kid, &k.tenant, &k.secret, &k.public, &created, &retired); err != nil {
		return k, scope.Scanned(err, "There is no such key.")
	}
	k.created, k.retired = scope.Time(created), scope.Time(retired)
	return k, nil
}

// signing returns the key that signs; NotFound when there is none.
func signing(ctx context.Context, q scope.Querier, tenant string) (signingKey, error) {
	return scanKey(scope.In(q, tenant).Row(ctx, `SELECT `+keyColumns+` FROM token_key WHERE retired_at = 0 AND tenant_id = $1 ORDER BY created_at DESC, kid LIMIT 1`))
}

// replaceKey puts a key in the place of the one that signs, whose tokens are accepted until retireAt. It is a Conflict when another server was faster.
func replaceKey(ctx context.Context, q scope.Querier, next signingKey, old string, retireAt time.Time) error {
	tenant := scope.In(q, next.tenant)
	now, err := signing(ctx, q, next.tenant)
	if errs.CodeOf(err) == errs.NotFound {
		err = nil
	}
	if err != nil {
		return err
	}
	if now.kid != old {
		return errs.New(errs.Conflict, "The key was replaced by somebody else at the same time.")
	}
	if _, err := tenant.Exec(ctx, `UPDATE token_key SET retired_at = $1 WHERE retired_at = 0 AND tenant_id = $2`, retireAt.UnixMicro()); err != nil {
		return err
	}
	// Keys whose last token ended long ago are of no use.
	if _, err := tenant.Exec(ctx, `DELETE FROM token_key WHERE retired_at > 0 AND retired_at < $1 AND tenant_id = $2`, next.created.Add(-24*time.Hour).UnixMicro()); err != nil {
		return err
	}
	_, err = tenant.Exec(ctx, `INSERT INTO token_key (kid, secret, public, created_at, retired_at, tenant_id) VALUES ($1, $2, $3, $4, 0, $5)`, next.kid, next.secret, next.public, next.created.UnixMicro())
	return err
}

// publicKeys returns the keys of all tenants whose tokens are accepted at a time: they are published, and a token's kid says whose it is.
func publicKeys(ctx context.Context, q scope.Querier, at time.Time) ([]signingKey, error) {
	rows, err := q.QueryContext(ctx, `SELECT kid, tenant_id, public, public, created_at, retired_at FROM token_key WHERE retired_at = 0 OR retired_at > $1 ORDER BY kid`, at.UnixMicro())
	return scope.Collect(rows, err, scanKey)
}

// publicKeyOf returns one of them.
func publicKeyOf(ctx context.Context, q scope.Querier, kid string, at time.Time) (signingKey, error) {
	return scanKey(q.QueryRowContext(ctx, `SELECT kid, tenant_id, public, public, created_at, retired_at FROM token_key WHERE kid = $1 AND (retired_at = 0 OR retired_at > $2)`, kid, at.UnixMicro()))
}
