package kmstest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// ARN is the key that the stand-in for AWS KMS has; requests must be signed with the two keys.
const (
	ARN          = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	AWSAccessKey = "AKIACANARY7D1FEXAMPL"   //nolint:gosec // opens nothing
	AWSSecretKey = "canary-aws-secret-2b9e" //nolint:gosec // opens nothing
)

// AWS is a stand-in for AWS KMS (protocol JSON 1.1).
type AWS struct {
	*httptest.Server

	mu       sync.Mutex
	versions [][32]byte
	contexts []map[string]string
	failing  string
	denied   string
}

// StartAWS starts a stand-in with the key [ARN], which ends with the test, and puts the credentials for it into the environment.
func StartAWS(t *testing.T) *AWS {
	a := &AWS{}
	a.rotate()
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", AWSAccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", AWSSecretKey)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	return a
}

// Location is the location of the key.
func (a *AWS) Location() string { return "awskms:" + ARN + "?endpoint=" + a.URL }

// Fail has every request answered with an exception; "" ends that.
func (a *AWS) Fail(exception string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failing = exception
}

// Deny refuses one operation.
func (a *AWS) Deny(operation string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.denied = operation
}

// Contexts are the encryption contexts that were sent.
func (a *AWS) Contexts() []map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.contexts)
}

func (a *AWS) rotate() {
	var b [32]byte
	rand.Read(b[:])
	a.versions = append(a.versions, b)
}

var sigV4 = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=` + AWSAccessKey + `/[0-9]{8}/eu-central-1/kms/aws4_request, SignedHeaders=[a-z0-9;-]*host[a-z0-9;-]*x-amz-date[a-z0-9;-]*x-amz-target[a-z0-9;-]*, Signature=[0-9a-f]{64}$`)

func exception(w http.ResponseWriter, status int, name, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": name, "message": message})
}

type awsRequest struct {
	KeyID          string            `json:"KeyId"`
	KeySpec        string            `json:"KeySpec"`
	CiphertextBlob []byte            `json:"CiphertextBlob"`
	Context        map[string]string `json:"EncryptionContext"`
}

func (a *AWS) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	var in awsRequest
	body, _ := io.ReadAll(r.Body)
	switch {
	case !ok || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" || json.Unmarshal(body, &in) != nil:
		exception(w, http.StatusBadRequest, "SerializationException", "not JSON 1.1")
		return
	case !sigV4.MatchString(r.Header.Get("Authorization")) || r.Header.Get("X-Amz-Date") == "":
		exception(w, http.StatusBadRequest, "UnrecognizedClientException", "The security token included in the request is invalid.")
		return
	case a.failing != "":
		status := http.StatusBadRequest
		if strings.HasPrefix(a.failing, "KMSInternal") {
			status = http.StatusInternalServerError
		}
		exception(w, status, a.failing, "failing")
		return
	case a.denied == operation:
		exception(w, http.StatusBadRequest, "AccessDeniedException", "User: arn:aws:sts::111122223333:assumed-role/probity is not authorized to perform: kms:"+operation)
		return
	case in.KeyID != ARN:
		exception(w, http.StatusBadRequest, "NotFoundException", "Key '"+in.KeyID+"' does not exist")
		return
	}
	a.contexts = append(a.contexts, in.Context)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch operation {
	case "GenerateDataKey":
		a.generate(w, &in)
	case "Decrypt":
		a.decrypt(w, &in)
	case "RotateKeyOnDemand":
		a.rotate()
		_ = json.NewEncoder(w).Encode(map[string]string{"KeyId": ARN})
	default:
		exception(w, http.StatusBadRequest, "UnknownOperationException", "")
	}
}

// contextText is the canonical form of an encryption context, which binds a ciphertext.
func contextText(c map[string]string) []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(c)) {
		b = fmt.Appendf(b, "%q=%q;", name, c[name])
	}
	return b
}

func material(version int) string { return fmt.Sprintf("%064x", version) }

func (a *AWS) generate(w http.ResponseWriter, in *awsRequest) {
	if in.KeySpec != "AES_256" || len(in.Context) == 0 {
		exception(w, http.StatusBadRequest, "ValidationException", "the policy demands an encryption context")
		return
	}
	key := make([]byte, 32)
	rand.Read(key)
	n := len(a.versions)
	iv := make([]byte, 12, 80)
	rand.Read(iv)
	blob := append([]byte{byte(n)}, sealer(a.versions[n-1]).Seal(iv, iv, key, contextText(in.Context))...)
	_ = json.NewEncoder(w).Encode(map[string]any{"KeyId": ARN, "Plaintext": base64.StdEncoding.EncodeToString(key), "CiphertextBlob": base64.StdEncoding.EncodeToString(blob), "KeyMaterialId": material(n)})
}

func (a *AWS) decrypt(w http.ResponseWriter, in *awsRequest) {
	b := in.CiphertextBlob
	if len(b) < 29 || b[0] == 0 || int(b[0]) > len(a.versions) {
		exception(w, http.StatusBadRequest, "InvalidCiphertextException", "")
		return
	}
	plain, err := sealer(a.versions[b[0]-1]).Open(nil, b[1:13], b[13:], contextText(in.Context))
	if err != nil {
		exception(w, http.StatusBadRequest, "InvalidCiphertextException", "")
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"KeyId": ARN, "Plaintext": base64.StdEncoding.EncodeToString(plain), "KeyMaterialId": material(int(b[0])), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"})
}
