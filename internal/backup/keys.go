package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"filippo.io/age"

	"probity.dev/internal/errs"
)

// Recipients are the public keys that a backup is encrypted to; each of their identities opens it alone.
type Recipients struct {
	list []age.Recipient
	// id names the set in the names of parts: other recipients get parts of their own.
	id string
}

// ParseRecipients reads age recipients, such as age1…; both of age's native kinds are understood, the post-quantum one included. Errors are Invalid.
func ParseRecipients(texts []string) (*Recipients, error) {
	var names []string
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" {
			names = append(names, t)
		}
	}
	if len(names) == 0 {
		return nil, errs.New(errs.Invalid, "a backup needs a recipient to be encrypted to: make a key with probity backup keygen")
	}
	slices.Sort(names)
	names = slices.Compact(names)
	list, err := age.ParseRecipients(strings.NewReader(strings.Join(names, "\n")))
	if err != nil {
		return nil, errs.New(errs.Invalid, "a recipient is not an age public key such as age1ql3z7hjy…")
	}
	sum := sha256.Sum256([]byte(strings.Join(names, "\n")))
	return &Recipients{list: list, id: hex.EncodeToString(sum[:8])}, nil
}

// Identities are the private keys that open backups.
type Identities struct{ list []age.Identity }

// ReadIdentities reads a file of age identities, one AGE-SECRET-KEY-… a line. The error does not repeat what the file holds.
func ReadIdentities(path string) (*Identities, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := age.ParseIdentities(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, errs.New(errs.Invalid, "%s does not hold an age identity (AGE-SECRET-KEY-…); one that a passphrase protects is decrypted with age first", path)
	}
	return &Identities{list}, nil
}

// NewIdentity makes a key: the text of the file to keep, and the recipient to back up to.
func NewIdentity() (file, recipient string, err error) {
	k, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", err
	}
	recipient = k.Recipient().String()
	return fmt.Sprintf("# Opens the backups of a Probity installation. Keep it apart from the machine and from the backups.\n# public key: %s\n%s\n", recipient, k), recipient, nil
}

// encrypt writes through age to w. Close ends the last chunk and leaves w open.
func (r *Recipients) encrypt(w io.Writer) (io.WriteCloser, error) { return age.Encrypt(w, r.list...) }

// decrypt reads an age file. A wrong key is Unauthorized; what was changed is an error of reading.
func (i *Identities) decrypt(r io.Reader) (io.Reader, error) {
	if i == nil {
		return nil, errs.New(errs.Unauthorized, "backups are encrypted: give the file of the key with --identity")
	}
	out, err := age.Decrypt(r, i.list...)
	if _, ok := err.(*age.NoIdentityMatchError); ok { //nolint:errorlint // age documents the type itself
		return nil, errs.New(errs.Unauthorized, "the backup is encrypted to another key")
	}
	return out, err
}
