package export

// StartsFormula reports whether a spreadsheet may take a cell with this text for a formula. CSV files put an apostrophe before such a text.
func StartsFormula(text string) bool { return startsFormula([]byte(text)) }
