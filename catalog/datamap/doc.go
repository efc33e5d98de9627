// Package datamap describes what data an organisation holds and where: datasets, their collections, the fields of these, what
// each field holds and how one leads to the person whose data it is (mission rows A13, B1, C4, and the ground for D and E).
//
// The words are those of Fides: a dataset is what one system holds, a collection is a table, an index or a prefix of objects,
// a field has data categories of the Fideslang taxonomy, is perhaps an identity (a value by which one finds a person), and
// refers to fields of other collections. Fides's dataset files can be read ([Parse]).
//
// A map is a document that is replaced as a whole; every version is kept, and [Compare] tells two of them apart. [Lint] finds
// what makes a map useless for finding a person's data although it is well-formed: a collection that no identity leads to is
// such a case. A finding does not keep a map from being stored, since a map is drawn up step by step.
//
// The package reads no data (package catalog/connector does) and erases nothing (package privacy does).
package datamap
