// Package secretfile reads files that hold a secret: a password, an access key, the private key of a certificate.
//
// It owns the rule of who else may read such a file. It knows nothing of what the secret is for, and no error of it repeats any of the content.
package secretfile
