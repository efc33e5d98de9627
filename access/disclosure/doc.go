// Package disclosure keeps what each tenant has decided its roles see of personal values (mission row C1): masks by role, data category and purpose, over the operator's policy, in versions, each change an event.
//
// The rules and the masks themselves are in package masking, which knows no tenant.
package disclosure
