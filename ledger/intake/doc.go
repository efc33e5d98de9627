// Package intake reads audit records in other people's formats and turns them into events (mission rows A10, A1).
//
// [Open] recognises a stream's format and returns a [Reader] that yields one [Item] per record: an event, or an error that says why
// that record is no event, with its line and offset. A bad record never costs its neighbours, memory does not grow with the stream,
// and no input makes a reader panic. [OTLP] does the same for the body of an OTLP request.
//
// What a format says and the event model has no member for is kept under the event's data. Text that names an action, a source or
// a type is made a clear string: lower-cased, with "_" for what the alphabet lacks.
//
// A record without an identifier gets one that is the same whenever the same file is read again: the first 32 hex digits of
// SHA-256(base name without .gz ‖ 0x00 ‖ the first 64 KiB of the decompressed content), "-", and the record's offset in the
// decompressed content. So a file shorter than 64 KiB that has grown counts as another file, and a longer one as the same.
//
// The package does not normalise, store or deduplicate events; package ledger does.
package intake
