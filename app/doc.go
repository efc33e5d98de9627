// Package app wires the domains together: it reads the configuration, opens what lies in the data directory, plugs each domain's small interfaces into
// the others, serves, and closes everything in order. It is the only place where domains meet, and holds no rules of its own.
package app
