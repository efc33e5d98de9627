// Package verify checks audit logs and audit bundles without trusting whoever keeps them (mission rows A2, A8). It works from files, from
// a running server or from the stored parts of a log, and names the first record that is wrong.
//
// It is public, and imports nothing of Probity but the tree (internal/tlog), the evidence formats (internal/evidence) and the error codes: whoever audits can
// read the whole of what judges. It does not open databases or data directories; a [Source] does that for it. It holds no keys and changes
// nothing but the state file that it is given.
package verify
