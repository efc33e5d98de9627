// Package load makes up audit events in bulk for benchmarks: cheap enough that generating is a small part of any measurement,
// reproducible, and the same for whatever is measured.
//
// Events come in batches, and batch n depends on nothing but the configuration and n, so any number of connections can make
// their own. Each event exists twice with the same content: as the JSON text that is sent to the server, and as the columns
// that a table would have beside it.
//
// What they look like: 609 bytes of JSON on average (600 ± 5 % is tested); 100,000 distinct actors, of which few are very busy (Zipf's law with
// exponent 1); 1,000,000 resources of 25 types, each always about the same one of 100,000 clients; 200 actions (25 types × 8
// verbs); 10 % of outcomes are not successes; identifiers are random UUIDs (version 4), because that is what most teams use
// (version 7 on request). One event in 20,000 carries the word [Needle] in its reason.
//
// The package talks to nobody.
package load
