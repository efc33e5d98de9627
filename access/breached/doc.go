// Package breached looks passwords up in a local list of those that have been in a breach: the file of Have I Been Pwned that is ordered by hash (https://haveibeenpwned.com/Passwords, "SHA-1, ordered by hash", as its
// downloader writes it), a line for each with the SHA-1 in 40 hexadecimal digits, a colon and how often it was seen. The file of tens of gigabytes is never read whole: a search halves it some forty times. Nothing of a password leaves the machine.
package breached
