package mfatest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/url"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// Device holds one passkey. Its fields may be changed to have it lie.
type Device struct {
	ID     []byte
	Handle []byte // whose it is; learnt by Create
	Origin string // that the browser names
	RPID   string
	Count  uint32 // grows with every answer, unless NoCount
	Type   string // that the browser names; the right one when empty
	// NoCount answers 0 always, as passkeys that are synchronised do; Unverified does not recognise the person; Absent does not ask for a touch.
	NoCount, Unverified, Absent bool
	key                         *ecdsa.PrivateKey
}

// New returns a device at an origin.
func New(origin string) *Device {
	u, err := url.Parse(origin)
	if err != nil {
		panic(err)
	}
	return &Device{ID: random(), Origin: origin, RPID: u.Hostname(), key: newKey()}
}

func random() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails (crypto/rand)
	return b
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

type bytes64 []byte

func (b bytes64) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(b)), nil
}

func (d *Device) client(t testing.TB, options json.RawMessage, typ string) []byte {
	t.Helper()
	var o struct {
		Challenge string `json:"challenge"`
		User      struct {
			ID string `json:"id"`
		} `json:"user"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	if o.User.ID != "" {
		d.Handle, _ = base64.RawURLEncoding.DecodeString(o.User.ID)
	}
	if d.Type != "" {
		typ = d.Type
	}
	b, err := json.Marshal(map[string]any{"type": typ, "challenge": o.Challenge, "origin": d.Origin, "crossOrigin": false})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (d *Device) head(flags byte) []byte {
	rp := sha256.Sum256([]byte(d.RPID))
	if !d.Absent {
		flags |= 1
	}
	if !d.Unverified {
		flags |= 4
	}
	count := d.Count
	if d.NoCount {
		count = 0
	}
	return binary.BigEndian.AppendUint32(append(rp[:], flags), count)
}

// Create answers the options of navigator.credentials.create.
func (d *Device) Create(t testing.TB, options json.RawMessage) json.RawMessage {
	t.Helper()
	if d.key == nil {
		d.key, d.ID = newKey(), random()
	}
	point, err := d.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	cose, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		t.Fatal(err)
	}
	client := d.client(t, options, "webauthn.create")
	var auth bytes.Buffer
	auth.Write(d.head(0x40))
	auth.Write(make([]byte, 16))
	auth.Write(binary.BigEndian.AppendUint16(nil, uint16(len(d.ID))))
	auth.Write(d.ID)
	auth.Write(cose)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": auth.Bytes()})
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, d.ID, map[string]any{"clientDataJSON": bytes64(client), "attestationObject": bytes64(object), "transports": []string{"internal"}})
}

// Get answers the options of navigator.credentials.get.
func (d *Device) Get(t testing.TB, options json.RawMessage) json.RawMessage {
	t.Helper()
	d.Count++
	client := d.client(t, options, "webauthn.get")
	auth := d.head(0)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(bytes.Clone(auth), hash[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, d.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, d.ID, map[string]any{"clientDataJSON": bytes64(client), "authenticatorData": bytes64(auth), "signature": bytes64(sig), "userHandle": bytes64(d.Handle)})
}

func answer(t testing.TB, id []byte, response map[string]any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(map[string]any{"id": bytes64(id), "rawId": bytes64(id), "type": "public-key", "authenticatorAttachment": "platform", "clientExtensionResults": map[string]any{}, "response": response})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
