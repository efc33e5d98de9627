// Package link makes and redeems download links: addresses that let whoever holds them take one file, until they expire or are revoked.
//
// A link leads to a page of the console and carries its token in the fragment of the address, which browsers send to no server: it stands in no log, and no Referer header
// betrays it. The page sends the token in the body of a POST when a person presses a button, so that the scanner of a mail server, a preview or a prefetch takes nothing.
//
// A token is "v1", the id of the link, when it expires (seconds since 1970) and an HMAC-SHA256 over these, under a key of the link's own that is sealed in the database. Every
// download is recorded as an event before its first byte is sent.
package link
