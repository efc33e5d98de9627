// Package demo makes up a realistic tenant: the audit events of a clinic, a shop and a software service over some months,
// as event JSON in the wire form that producers send.
//
// The same seed, end, months and count give the same bytes. Events come in the order of their occurred_at, with the rhythm of
// days and weeks, growth, people whose names are written in many scripts, and a handful of incidents. What was planted is
// known: [Generator.Known] lists questions with their answers, so that searches over a demo can be checked.
//
// Every person, address and number is invented. E-mail addresses lie under example.com, example.org and example.net, public IP
// addresses in the documentation ranges. The package sends nothing and knows nothing about the ledger.
package demo
