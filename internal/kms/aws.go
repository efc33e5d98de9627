package kms

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"probity.dev/internal/errs"
)

// awsKMS is a key of AWS KMS. It encrypts at most 4 KiB itself, so what is wrapped is sealed under a data key of its own, and that is what AWS wraps (envelope encryption), with the
// additional data as encryption context: CloudTrail shows it, and a policy can demand it.
//
// What it wraps reads "awskms:1" ‖ lp(id of the key material) ‖ lp(wrapped data key) ‖ AES-256-GCM with an IV of zeroes, since the data key seals this one text. lp is a length of 2
// bytes, big-endian, and the text.
type awsKMS struct {
	l      Location
	client *kms.Client
}

const (
	awsPrefix = "awskms:1"
	// contextName is the name of the encryption context's one entry; its value is the additional data in base64.
	contextName = "probity"
	// noMaterial stands for the key material of a service that does not name it.
	noMaterial = "1"
)

func openAWS(ctx context.Context, l Location) (*awsKMS, error) {
	pool, err := authorities(l.CA)
	if err != nil {
		return nil, err
	}
	// A client of the SDK's own, because only that honours AWS_CA_BUNDLE.
	client := awshttp.NewBuildableClient().WithTimeout(requestTime).WithTransportOptions(func(t *http.Transport) {
		if pool != nil {
			t.TLSClientConfig.RootCAs = pool
		}
	})
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(l.Region), config.WithHTTPClient(client))
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "the configuration for AWS cannot be read")
	}
	return &awsKMS{l: l, client: kms.NewFromConfig(cfg, func(o *kms.Options) {
		if l.Endpoint != "" {
			o.BaseEndpoint = aws.String(l.Endpoint)
		}
	})}, nil
}

// Name implements crypt.KMS.
func (k *awsKMS) Name() string { return k.l.Name() }

// Version implements crypt.KMS: the id of the key material.
func (k *awsKMS) Version(wrapped []byte) string {
	e, err := readEnvelope(wrapped)
	if err != nil {
		return ""
	}
	return e.material
}

func encryptionContext(aad []byte) map[string]string {
	return map[string]string{contextName: base64.StdEncoding.EncodeToString(aad)}
}

// Wrap implements crypt.KMS.
func (k *awsKMS) Wrap(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	out, err := k.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &k.l.ARN, KeySpec: types.DataKeySpecAes256, EncryptionContext: encryptionContext(aad)})
	if err != nil {
		return nil, k.fail(err)
	}
	defer clear(out.Plaintext)
	c, err := gcm(out.Plaintext)
	if err != nil {
		return nil, err
	}
	material := aws.ToString(out.KeyMaterialId)
	if material == "" {
		material = noMaterial
	}
	b := appendLP([]byte(awsPrefix), []byte(material))
	b = appendLP(b, out.CiphertextBlob)
	return c.Seal(b, make([]byte, c.NonceSize()), plaintext, aad), nil //nolint:gosec // a key is used for one message, so that any nonce is new
}

// Unwrap implements crypt.KMS.
func (k *awsKMS) Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	e, err := readEnvelope(wrapped)
	if err != nil {
		return nil, err
	}
	out, err := k.client.Decrypt(ctx, &kms.DecryptInput{KeyId: &k.l.ARN, CiphertextBlob: e.key, EncryptionContext: encryptionContext(aad)})
	if err != nil {
		return nil, k.fail(err)
	}
	defer clear(out.Plaintext)
	c, err := gcm(out.Plaintext)
	if err != nil {
		return nil, err
	}
	plain, err := c.Open(nil, make([]byte, c.NonceSize()), e.sealed, aad)
	if err != nil {
		return nil, errs.New(errs.Invalid, "what AWS KMS wrapped does not open: it was changed, or it is another's")
	}
	return plain, nil
}

// Rotate implements crypt.KMS: it asks for new key material at once, besides the yearly rotation that the key may have. AWS takes some seconds to do so.
func (k *awsKMS) Rotate(ctx context.Context) error {
	_, err := k.client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.l.ARN})
	return k.fail(err)
}

type envelope struct {
	material    string
	key, sealed []byte
}

func readEnvelope(wrapped []byte) (e envelope, err error) {
	foreign := errs.New(errs.Invalid, "this was not wrapped by AWS KMS")
	rest, ok := bytes.CutPrefix(wrapped, []byte(awsPrefix))
	if !ok {
		return e, foreign
	}
	material, rest, ok := cutLP(rest)
	if !ok || len(material) == 0 {
		return e, foreign
	}
	e.material = clean(string(material))
	if e.key, e.sealed, ok = cutLP(rest); !ok {
		return e, foreign
	}
	return e, nil
}

func appendLP(b, part []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(part))), part...)
}

func cutLP(b []byte) (part, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

func gcm(key []byte) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, errs.New(errs.Unavailable, "AWS KMS returned a data key of %d bytes", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// fail words an error of AWS KMS. Messages of AWS name keys, accounts and roles, which are for the log.
func (k *awsKMS) fail(err error) error {
	if err == nil {
		return nil
	}
	var e smithy.APIError
	if !errors.As(err, &e) {
		return &errs.Error{Code: errs.Unavailable, Message: "AWS KMS in " + k.l.Region + " does not answer, or there are no credentials for it", Cause: err, RetryAfter: 10 * time.Second}
	}
	switch e.ErrorCode() {
	case "NotFoundException":
		return errs.Wrap(errs.Invalid, err, "AWS KMS has no key %s", k.l.ARN)
	case "DisabledException", "KMSInvalidStateException", "KeyUnavailableException":
		return errs.Wrap(errs.Unavailable, err, "the key %s of AWS KMS cannot be used (%s): enable it, or cancel its deletion", k.l.ARN, e.ErrorCode())
	case "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "InvalidClientTokenId", "IncompleteSignature", "MissingAuthenticationToken":
		return errs.Wrap(errs.Forbidden, err, "AWS KMS refuses (%s): the server's role needs kms:GenerateDataKey and kms:Decrypt on %s, and kms:RotateKeyOnDemand to rotate from here", e.ErrorCode(), k.l.ARN)
	case "InvalidCiphertextException", "IncorrectKeyException":
		return errs.Wrap(errs.Invalid, err, "the key %s of AWS KMS does not open this: it was wrapped by another key or for something else, or changed", k.l.ARN)
	case "ValidationException", "UnsupportedOperationException", "InvalidKeyUsageException", "LimitExceededException", "ConflictException", "InvalidGrantTokenException":
		return errs.Wrap(errs.Invalid, err, "AWS KMS refuses (%s): the key must be symmetric, for encryption, and have rotations left", e.ErrorCode())
	}
	return &errs.Error{Code: errs.Unavailable, Message: "AWS KMS in " + k.l.Region + " fails (" + e.ErrorCode() + ")", Cause: err, RetryAfter: 10 * time.Second}
}
