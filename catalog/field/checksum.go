package field

// Check digits. Every function takes ASCII text of the shape its comment names and answers false for any other.

// luhn checks ISO/IEC 7812-1 Annex B over digits.
func luhn(s string) bool {
	sum := 0
	double := false
	for i := len(s) - 1; i >= 0; i-- {
		d := int(s[i] - '0')
		if d > 9 {
			return false
		}
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		double = !double
	}
	return len(s) > 1 && sum%10 == 0
}

// mod97 checks ISO 7064 MOD 97-10 over an IBAN without spaces, letters in either case.
func mod97(s string) bool {
	if len(s) < 5 {
		return false
	}
	rem := 0
	for i := range len(s) {
		c := s[(i+4)%len(s)]
		switch {
		case isDigit(c):
			rem = (rem*10 + int(c-'0')) % 97
		case isLetter(c):
			rem = (rem*100 + int(c|0x20-'a') + 10) % 97
		default:
			return false
		}
	}
	return rem == 1
}

var verhoeffD = [10][10]uint8{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 4, 0, 6, 7, 8, 9, 5}, {2, 3, 4, 0, 1, 7, 8, 9, 5, 6}, {3, 4, 0, 1, 2, 8, 9, 5, 6, 7},
	{4, 0, 1, 2, 3, 9, 5, 6, 7, 8}, {5, 9, 8, 7, 6, 0, 4, 3, 2, 1}, {6, 5, 9, 8, 7, 1, 0, 4, 3, 2}, {7, 6, 5, 9, 8, 2, 1, 0, 4, 3},
	{8, 7, 6, 5, 9, 3, 2, 1, 0, 4}, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
}

var verhoeffP = [8][10]uint8{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 5, 7, 6, 2, 8, 3, 0, 9, 4}, {5, 8, 0, 3, 7, 9, 6, 1, 4, 2}, {8, 9, 1, 6, 0, 4, 3, 5, 2, 7},
	{9, 4, 5, 3, 1, 2, 6, 8, 7, 0}, {4, 2, 8, 6, 5, 7, 3, 9, 0, 1}, {2, 7, 9, 3, 8, 0, 6, 4, 1, 5}, {7, 0, 4, 6, 9, 1, 3, 2, 5, 8},
}

// verhoeff checks Verhoeff's dihedral check digit (the last one), which Aadhaar uses.
func verhoeff(s string) bool {
	c := uint8(0)
	for i := range len(s) {
		d := s[len(s)-1-i] - '0'
		if d > 9 {
			return false
		}
		c = verhoeffD[c][verhoeffP[i%8][d]]
	}
	return len(s) > 1 && c == 0
}

// weighted returns the sum of digit times weight over the weights.
func weighted(s string, weights ...int) int {
	sum := 0
	for i, w := range weights {
		sum += w * int(s[i]-'0')
	}
	return sum
}

// aadhaar: 12 digits, the first not 0 or 1, Verhoeff (UIDAI).
func aadhaar(s string) bool {
	return len(s) == 12 && s[0] >= '2' && s[0] <= '9' && verhoeff(s)
}

// bsn: 9 digits that pass the Dutch eleven-test.
func bsn(s string) bool {
	return len(s) == 9 && allDigits(s) && s != "000000000" && weighted(s, 9, 8, 7, 6, 5, 4, 3, 2, -1)%11 == 0
}

// pesel: 11 digits with a possible birth date and the weighted check digit of the Polish register.
func pesel(s string) bool {
	if len(s) != 11 || !allDigits(s) {
		return false
	}
	month, day := int(s[2]-'0')*10+int(s[3]-'0'), int(s[4]-'0')*10+int(s[5]-'0')
	if month %= 20; month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	return weighted(s, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)%10 == 0
}

// germanTaxID: 11 digits, first not 0, exactly one digit repeated among the first ten, ISO 7064 MOD 11,10.
func germanTaxID(s string) bool {
	if len(s) != 11 || !allDigits(s) || s[0] == '0' {
		return false
	}
	var seen [10]int
	product := 10
	for i := range 10 {
		d := int(s[i] - '0')
		seen[d]++
		sum := (d + product) % 10
		if sum == 0 {
			sum = 10
		}
		product = sum * 2 % 11
	}
	repeated := 0
	for _, n := range seen {
		if n > 3 {
			return false
		}
		if n > 1 {
			repeated++
		}
	}
	return repeated == 1 && (11-product)%10 == int(s[10]-'0')
}

// nir: 15 characters of the French social security number; Corsican departments 2A and 2B count as 19 and 18.
func nir(s string) bool {
	if len(s) != 15 || s[0] < '1' || s[0] > '8' {
		return false
	}
	n := 0
	for i := range 13 {
		c := s[i]
		switch {
		case isDigit(c):
			n = n*10 + int(c-'0')
		case i == 6 && s[5] == '2' && (c|0x20 == 'a' || c|0x20 == 'b'):
			n = n*10 + 8
			if c|0x20 == 'a' {
				n++
			}
			n -= 10 // 2A counts as 19, 2B as 18: one in the tens, nine or eight in the ones
		default:
			return false
		}
	}
	if !isDigit(s[13]) || !isDigit(s[14]) {
		return false
	}
	month := int(s[3]-'0')*10 + int(s[4]-'0')
	if month < 1 || month > 12 && month < 20 || month > 42 && month < 50 {
		return false
	}
	return 97-n%97 == int(s[13]-'0')*10+int(s[14]-'0')
}

// dni: eight digits, or X, Y or Z and seven digits, and the Spanish control letter.
func dni(s string) bool {
	if len(s) != 9 {
		return false
	}
	n := 0
	for i := range 8 {
		c := s[i]
		switch {
		case isDigit(c):
			n = n*10 + int(c-'0')
		case i == 0 && c|0x20 >= 'x' && c|0x20 <= 'z':
			n = int(c | 0x20 - 'x')
		default:
			return false
		}
	}
	return "trwagmyfpdxbnjzsqvhlcke"[n%23] == s[8]|0x20
}

// nino: two letters, six digits and A to D, without the prefixes that HMRC never issues.
func nino(s string) bool {
	if len(s) != 9 || !allDigits(s[2:8]) || s[8]|0x20 < 'a' || s[8]|0x20 > 'd' {
		return false
	}
	a, b := s[0]|0x20, s[1]|0x20
	if !isLetter(a) || !isLetter(b) {
		return false
	}
	for _, never := range "dfiquv" {
		if rune(a) == never || rune(b) == never {
			return false
		}
	}
	if b == 'o' {
		return false
	}
	switch string([]byte{a, b}) {
	case "bg", "gb", "kn", "nk", "nt", "tn", "zz":
		return false
	}
	return true
}

// pan: the Indian tax number, five letters (the fourth is the holder's kind), four digits, one letter.
func pan(s string) bool {
	if len(s) != 10 || !allDigits(s[5:9]) || !isLetter(s[9]) {
		return false
	}
	for i := range 5 {
		if !isLetter(s[i]) {
			return false
		}
	}
	switch s[3] | 0x20 {
	case 'a', 'b', 'c', 'f', 'g', 'h', 'j', 'l', 'p', 't':
		return true
	}
	return false
}

// ssn: nine digits that the Social Security Administration may have issued, or an ITIN (IRS: 9, with a group of 50-65, 70-88,
// 90-92 or 94-99).
func ssn(s string) bool {
	if len(s) != 9 || !allDigits(s) || s[:3] == "000" || s[:3] == "666" || s[3:5] == "00" || s[5:] == "0000" {
		return false
	}
	if s[0] != '9' {
		return true
	}
	g := int(s[3]-'0')*10 + int(s[4]-'0')
	return g >= 50 && g <= 65 || g >= 70 && g <= 88 || g >= 90 && g <= 92 || g >= 94
}

// nhs: ten digits of the English health service number, weights 10 to 2, modulus 11.
func nhs(s string) bool {
	if len(s) != 10 || !allDigits(s) {
		return false
	}
	check := 11 - weighted(s, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11
	return check%11 == int(s[9]-'0') && check != 10
}

func isDigit(c byte) bool  { return c-'0' < 10 }
func isLetter(c byte) bool { return c|0x20-'a' < 26 }
func isHex(c byte) bool    { return isDigit(c) || c|0x20-'a' < 6 }
func isAlnum(c byte) bool  { return isDigit(c) || isLetter(c) }

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return len(s) > 0
}
