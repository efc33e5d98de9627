// Package mapping keeps roles in other systems as they are here (mission row F1): which role of ours corresponds to which role elsewhere, what differs, and, where somebody has said so, the changes that end the difference.
//
// A [Connector] reads people and roles of a system and gives and takes roles there; [Spec] describes one that speaks JSON over HTTP, and [Medusa] and [Strapi] are such descriptions. People are matched by their e-mail address.
// Only roles that a mapping names are looked at: whatever else people have elsewhere is left alone, and so are people of whom nothing is known here.
//
// A run compares first, and changes then, one by one, within a rate. It begins anew after an interruption: what was done is no difference any more. Each change is an event of the ledger. A system only reports until somebody lets it apply,
// and does nothing when more would change than its definition allows, since a wrong mapping looks just like that.
//
// Addresses are those of a tenant, so that every request goes through the guard of outgoing connections. Secrets are sealed and never shown.
package mapping
