package field

// plainID recognises, in one look, most identifiers that programs make, such as "req_371822dfcffceb8a" and "ord-1001": words of small letters and digits with
// hyphens and underscores between them, in which no format of [finder] can be. It may say false of anything; a test compares what it lets pass.
func plainID(s string) bool {
	if len(s) > 64 {
		return false
	}
	number := 0 // digits since the last letter or underscore, hyphens not counted
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '-':
			i++
			continue
		case c == '_':
			number = 0
			i++
			continue
		}
		// A word: letters and digits up to a separator.
		start, digits := i, 0
		for ; i < len(s) && s[i] != '-' && s[i] != '_'; i++ {
			switch c := s[i]; {
			case isDigit(c):
				digits++
				if number++; number >= 9 {
					return false // long enough for a telephone, card or national number
				}
			case c-'a' < 26:
				number = 0
			default:
				return false
			}
		}
		if !plainIDWord(s, start, i, digits) {
			return false
		}
	}
	return true
}

// plainIDWord judges the word s[start:end] by what may begin with it.
func plainIDWord(s string, start, end, digits int) bool {
	n := end - start
	if isDigit(s[start]) {
		if n-digits == 1 && (n == 9 || n == 15) {
			return false // DNI, NIR
		}
	} else if n == 9 || n == 10 && digits == 4 || n >= 4 && isDigit(s[start+2]) && isDigit(s[start+3]) {
		return false // DNI, NINO, PAN, IBAN
	}
	if len(s)-start >= 16 && (secretPrefix(s[start:]) || n == 2 && end < len(s) && s[end] == '-') {
		return false // a secret, or a MAC address
	}
	return true
}
