package pin

// hexWord is a word of so many hex digits, in any case.
type hexWord struct{ least, most int }

// MatchString says whether s is such a word.
func (h hexWord) MatchString(s string) bool {
	if len(s) < h.least || len(s) > h.most {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}
