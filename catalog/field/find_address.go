package field

import "strings"

// addresses finds street addresses: a house number and a street word, a street name with a street ending and a number, boxes of the
// post and the military, and whatever follows words such as "address is" and begins like one.
func (f *finder) addresses(w []word) {
	for i := 0; i < len(w); {
		end := f.addressAt(w, i)
		if end == i {
			i++
			continue
		}
		end = f.extendAddress(w, end)
		f.add(w[i].start, w[end-1].end, Address)
		i = end
	}
}

func (f *finder) addressAt(w []word, i int) int {
	switch {
	case w[i].digits && len(w[i].lower) <= 5:
		return f.numberedStreet(w, i)
	case boxWords[w[i].lower] && i+1 < len(w) && w[i+1].digits && f.within(w, i, 2):
		return i + 2
	case (w[i].lower == "fpo" || w[i].lower == "apo" || w[i].lower == "dpo") && i+2 < len(w) && w[i+2].digits:
		return i + 3
	case w[i].capital && streetEnding(w[i].lower) && i+1 < len(w) && w[i+1].digits && f.gap(w, i) == " ":
		return i + 2
	case w[i].capital && streetWords[w[i].lower]:
		return f.namedStreet(w, i)
	}
	return i
}

// numberedStreet: "9554 62 Rue Gafsa", "90 Whitchurch Road", "727 Gesterbyntie 68".
func (f *finder) numberedStreet(w []word, i int) int {
	street, number := false, 0
	announced := f.announced(w[i].start)
	j := i + 1
	for ; j < len(w) && j-i <= 6; j++ {
		g := f.gap(w, j-1)
		if g != " " && g != ". " && g != ", " {
			break
		}
		if w[j].digits {
			if number++; number > 2 || len(w[j].lower) > 5 {
				break
			}
			if street || number == 2 || announced && j > i+1 {
				j++
				break
			}
			continue
		}
		if streetWords[w[j].lower] || streetEnding(w[j].lower) {
			street = true
			if w[j].capital && !leading[w[j].lower] {
				j++
				if j < len(w) && w[j].digits && f.gap(w, j-1) == " " {
					j++
				}
				break
			}
			continue
		}
		if !w[j].capital && !particles[w[j].lower] {
			break
		}
	}
	if street || announced && j > i+1 {
		return j
	}
	return i
}

// announced reports whether the words before a position say that an address follows.
func (f *finder) announced(start int) bool {
	before := f.before(start, 28)
	if len(before) < 5 {
		return false
	}
	return has(before, "address", "lives at", "lives on", "located at", "live in", "lived in", "send it to", "sent to", "meet me at", "meet you at", "return to",
		"taxi to", "office is at", "restaurant is at", "arrived at", "new one to", "following?", "bus station is on", "user:")
}

// namedStreet: "Rue de Virton 38", "Via Roma 5".
func (f *finder) namedStreet(w []word, i int) int {
	if !leading[w[i].lower] {
		return i
	}
	for j := i + 1; j < len(w) && j-i <= 5; j++ {
		if g := f.gap(w, j-1); g != " " && g != ". " && g != ", " {
			break
		}
		if w[j].digits {
			return j + 1
		}
		if !w[j].capital && !particles[w[j].lower] {
			break
		}
	}
	return i
}

// within reports whether the gaps between n words from i are short.
func (f *finder) within(w []word, i, n int) bool {
	for j := i; j < i+n-1; j++ {
		if len(strings.TrimSpace(f.gap(w, j))) > 1 || len(f.gap(w, j)) > 3 {
			return false
		}
	}
	return true
}

// extendAddress takes the parts along that follow a street: a flat, a town, a state, a code, a country.
func (f *finder) extendAddress(w []word, end int) int {
	for end < len(w) {
		g := f.gap(w, end-1)
		trimmed := strings.Trim(g, " \n\t>?")
		if trimmed != "" && trimmed != "," && trimmed != "." || len(g) > 12 || strings.Count(g, "\n") > 1 || trimmed == "." && g != ". " {
			return end
		}
		next := w[end]
		switch {
		case boxWords[next.lower] && end+1 < len(w) && (w[end+1].digits || len(w[end+1].lower) <= 5):
			end += 2
		case next.digits && len(next.lower) >= 3 && len(next.lower) <= 6:
			end++
		case next.capital && trimmed != "." && !notNames[next.lower] && !labelAhead(f.gap(w, end)):
			end++
		default:
			return end
		}
	}
	return end
}

func labelAhead(gap string) bool { return strings.HasPrefix(gap, ":") }

// streetEnding knows the endings of street names that are written as one word.
func streetEnding(w string) bool {
	if len(w) < 6 {
		return false
	}
	for _, e := range streetEndings {
		if strings.HasSuffix(w, e) && len(w) > len(e)+1 {
			return true
		}
	}
	return false
}

var streetEndings = strings.Fields(`strasse straße gasse gatan vägen gata vegen veien katu tie polku kuja gade vej straat laan plein kade dijk weg platz allee damm ufer
	ring steig väg gränd stræde allé stien utca`)

var streetWords = set(`street st road rd avenue ave lane ln drive boulevard blvd court ct place square terrace highway hwy parkway close crescent grove gardens pass
	passage alley mews row walk hill way rue avenue chemin impasse quai via viale piazza corso largo calle avenida avda paseo plaza camino rua praça praca travessa
	ulica ul aleja al plac os út utca tér ulice náměstí strada bulevardul odos leoforos οδός λεωφόρος πλατεία tänav maantee iela gatvė extensions trail viaduct
	turnpike forges loop run ridge`)

// leading are the street words that come before the name.
var leading = set(`rue chemin impasse quai via viale piazza corso largo calle avenida avda paseo plaza camino rua praça praca travessa ulica ul aleja al plac os
	strada bulevardul odos leoforos πλατεία οδός`)

var boxWords = set(`apt apartment suite unit box psc flat floor room ste appt`)
