// Package scim lets a directory (Entra ID, Okta and others) make, change and shut out the accounts of a tenant over SCIM 2.0 (RFC 7643, RFC 7644), and gives roles by its groups.
//
// A resource is an account; what the directory says of it beyond the account is kept sealed beside it. A directory comes with an API key that has the permission access.provision and need have no other. What it does not
// know of our attributes is ignored, as the standard asks; of filters it can have eq and and; bulk requests, sorting and passwords it cannot have.
//
// Deactivating locks the account, which ends its sessions and keys at once. Deleting deactivates, and hides the account from the directory: what is in the log keeps naming it.
package scim
