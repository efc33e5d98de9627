package field

import "strings"

// technicalWords are the words of reason codes. Each is a word that no person is called.
var technicalWords = set(`a access account accepted action active already an and api app approval approved at attempt attempts auth authentication authorization authorized
	bad blocked by canceled cancelled cannot certificate challenge changed check client closed code conflict connection consent constraint could create created
	credential credentials csrf data deactivated deadline declined default delete deleted denied deny device did disabled does dry due duplicate email
	empty enabled entity error exceeded exception exhausted exist exists expired export fail failed failure file forbidden format found from funds
	gateway geo grant granted has hold http id identity illegal in inactive insufficient internal invalid ip is issue key legal limit limited lock locked login
	lost maintenance malformed manual match max message method mfa mismatch missing mode name network new no none not object of ok on operation
	or origin otp out overdue parameter parse password payment pending permission permissions policy precondition privilege privileges quota rate
	read reason refused region rejected removed replay request required requires resource restricted retry reused revoked risk role rule run
	scheduled schema scope security server service session signature size so source stale state status step stock stopped subject subscription succeeded
	success successful suspended system temporary tenant the throttled throttling time timeout timed to token too many request requests type unable
	unauthenticated unauthorized unavailable unconfirmed unexpected unknown unsupported update up user validation value verification verified version was
	window with write wrong yes credit card cvc insufficient_funds do honor fraud stolen pickup processing sso saml oauth oidc ldap webauthn totp
	exceptionally operation aws iam console user root assumed multi factor single logged off sign signin signed signout not_found`)

// isTechnical reports whether every word of a reason is a technical one, so that "invalid_password" and "AccessDenied" may be kept
// in clear while "asked for by Ana" may not.
func isTechnical(s string) bool {
	if len(s) > maxToken {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '_' && c != '-' && c != '.' && c != ' ' && c != ':' && c != '/' {
			return false
		}
	}
	words := splitWords(s)
	if len(words) == 0 {
		return len(s) <= 4 // a number such as an HTTP status
	}
	for _, w := range words {
		if !technicalWords[w] && !technicalWords[strings.TrimSuffix(w, "s")] {
			return false
		}
	}
	return true
}
