package field

// isCard checks length, issuer range (ISO/IEC 7812) and check digit of a card number.
func isCard(d string) bool {
	return len(d) >= 13 && len(d) <= 19 && cardIssuer(d) && luhn(d)
}

// isMaestro knows the twelve-digit cards, which are too short to be believed without context.
func isMaestro(d string) bool {
	return len(d) == 12 && (d[0] == '5' || d[0] == '6' || d[:4] == "0604") && luhn(d)
}

func cardIssuer(d string) bool {
	p2, p3, p4 := number(d[:2]), number(d[:3]), number(d[:4])
	n := len(d)
	switch {
	case d[0] == '4':
		return n == 13 || n == 16 || n == 19
	case p2 == 34 || p2 == 37:
		return n == 15
	case p2 >= 51 && p2 <= 55, p4 >= 2221 && p4 <= 2720, p4 >= 2200 && p4 <= 2204:
		return n == 16 || n == 19 && p4 <= 2204
	case p3 >= 300 && p3 <= 305, p3 == 309, p2 == 36, p2 == 38, p2 == 39:
		return n == 14 || n == 16 || n == 19
	case p4 == 1800 || p4 == 2131:
		return n == 15
	case p4 >= 3528 && p4 <= 3589:
		return n >= 16
	case p4 == 6011, p3 >= 644 && p3 <= 649, p2 == 65, p2 == 62, p2 == 60, p2 == 81, p2 == 82:
		return n >= 16
	case p2 == 50, p2 >= 56 && p2 <= 58, p2 == 63, p2 == 67:
		return n >= 13
	}
	return false
}

func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// cardGroups reports whether a card number is written as one run or in the groups that cards use.
func cardGroups(s string) bool {
	return allDigits(s) || groups(s, 4, 4, 4, 4) || groups(s, 4, 6, 5) || groups(s, 4, 6, 4) || groups(s, 4, 4, 4, 4, 3) || groups(s, 4, 4, 4, 1)
}
