package evidence

// EncryptionKey returns K_enc of the group of these owners in a period, whose secrets are as for [DeriveGroup], for who needs nothing else of the group.
func EncryptionKey(period Hash, owners ...Hash) Hash {
	var stack [32 * 4]byte
	z := append(stack[:0], period[:]...)
	for i := range owners {
		z = append(z, owners[i][:]...)
	}
	k := GroupKeys{group: kdf(z, "probity/owners/v1")}
	return k.Enc()
}
