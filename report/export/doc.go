// Package export turns selected events into files and keeps track of the exports that people ask for (mission rows A6, A12, B1-B4).
//
// It owns two things. The encoders (CSV, JSON, NDJSON, OCSF, Parquet, PDF) stream [event.Record] values into an [io.Writer] in bounded
// memory, whatever the number of rows. The [Service] runs exports in the background, as jobs (package jobs): it writes each to encrypted
// files, reports progress, serves the download and deletes the files after a day; every step that concerns an auditor (asked for,
// finished, downloaded, cancelled) is itself an event of the tenant's ledger.
//
// An export in lines (CSV, JSON, NDJSON, OCSF) is written in parts, and one that is interrupted goes on after its last complete part. Parquet, PDF and the proof bundle end with an account of
// the whole file, or begin with one, and begin anew.
//
// A value that the reader may not see is never mistaken for one that is absent: tables write [withheld] or [erased] in its place, Parquet has
// null and says so in the column fields_state, JSON and OCSF do as the API does.
//
// It does not select, decrypt or mask events and does not build proof bundles: a [Source] does, with the rights of the person who asked.
// It does not deliver files by e-mail and runs nothing on a schedule.
package export
