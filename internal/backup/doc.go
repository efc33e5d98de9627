// Package backup keeps backups in a store: what each holds, encrypted to keys that the machine which writes it need not have, and how it is read back.
//
// A repository is a folder or a prefix of a bucket:
//
//	format                              "probity/backup/v1", in clear
//	parts/<key id>/<xx>/<sha256>        an immutable file, age-encrypted; the name is the SHA-256 of its content, so that it is stored once for all backups that hold it
//	backups/<id>/<name>.age             a part of this backup alone, such as the copy of the database
//	backups/<id>/summary.json           in clear: when, how large, which objects; what listing and pruning need, which work without the key
//	backups/<id>/manifest.age           what the backup holds; written last, so that a backup without one was interrupted and counts as none
//	locks/<id>                          in clear: who is writing or pruning
//
// The manifest is JSON within an age file, behind a line with its HMAC-SHA256 under a random key that the master key wraps: whoever can only write to the store can make up an age file, but not
// a manifest that restores. The manifest has the SHA-256 and the size of each part, and the checkpoint of each log.
//
// It owns the repository's layout, encryption, locks and pruning. It does not know what a part is for: app decides what goes into a backup and where it goes back to.
package backup
