package mask

import (
	"regexp"
	"strings"
	"unicode"

	"taskwarden/reconciler/regex"
)

// rule is one kind of credential in a text.
type rule struct {
	re regex.Expression
	// keep: group 1 of the expression stays, and group 2 is the credential. Otherwise the whole match is.
	keep bool
	// only, if set, decides by the credential itself.
	only func(secret string) bool
	// run is how many characters of base64 stand in a row in every match; 0: nothing is known.
	run int
}

// tokens are known by their own shape.
var tokens = []rule{
	// PEM, also cut or with escaped line breaks; and a line that is base64 throughout, as the middle of a PEM block is.
	{re: re(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY.*`)},
	{re: re(`^\s*[A-Za-z0-9+/]{60,}={0,2}\s*$`), run: 60},
	{re: re(`ey(?:J[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_/-]*){1,4}|[A-Za-z0-9_-]{15,}\.ey[A-Za-z0-9_/-]{15,}[A-Za-z0-9._/=-]*)`)},
	vendor(vendors1), vendor(vendors2), vendor(vendors3), vendor(vendors4),
	{re: re(`\bSK[0-9a-fA-F]{32}`), run: 34},    // Twilio
	{re: re(`\bs\.[A-Za-z0-9]{24}\b`), run: 24}, // Vault
	{re: re(`[\w~.]{3}[0-9]Q~[\w~.-]{31,}`)},    // Microsoft Entra
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
	{re: re(`(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}|\bA3T[A-Z0-9][A-Z2-7]{16}`)},
	{re: re(`()([A-Za-z0-9/+]{40,})`), keep: true, only: awsSecret, run: 40},
}

// places are known by what stands around them.
var places = []rule{
	{re: re(`(hooks\.slack\.com/(?:services|workflows|triggers)/|\.webhook\.office\.com/webhookb2/|discord(?:app)?\.com/api/webhooks/)` +
		`([^\s"'<>]+)`), keep: true},
	// A user part: with a scheme, and without one where user:password is followed by a host. Odd characters belong to the password.
	{re: re(`([A-Za-z][A-Za-z0-9+.-]*://)([^\s/@"'<>]+)@`), keep: true},
	{re: re(`([A-Za-z][A-Za-z0-9+.-]*://)([^\s/@"'<>:]*:[^\s"'<>]+)@`), keep: true, only: notScope},
	{re: re(`(^|[\s"'(=,;\[<>])([A-Za-z0-9._%+-]{1,64}:[^\s"'<>]{1,128})@(?:` + host + `)`), keep: true, only: userAndPassword},
	{re: re(`(?i)((?:set-)?cookie\\?["']?\s*[:=]\s*)(\S.*)`), keep: true},
	{re: re(`(OTEL_EXPORTER_OTLP_(?:[A-Z]+_)?HEADERS\\?["']?\s*[:=]>?\s*)(\S.*)`), keep: true},
	{re: re(`(?i)(authorization\\?["']?\s*[:=]\s*\[?\\?["']?(?:(?:bearer|basic|token|digest|apikey)(?: |%20|\+))?)([^"'\s\\]+)`), keep: true},
	{re: re(`(?i)(\bbearer(?:[ :=]+|%20))([A-Za-z0-9._~+/=-]{6,})`), keep: true, only: notWord},
	{re: re(`(?i)(\bbasic(?: |%20))([A-Za-z0-9+/=_-]{8,})`), keep: true, only: notWord},
	{re: pair(`password|passwd|passphrase|pwd|secret|api[_-]?key|honeycomb-team|`+
		`(?:access|private|secret|account|shared|encryption|signing|license|ingest(?:ion)?)[_-]?key`, `[=:]`), keep: true},
	{re: pair(`token|credentials?|signature|sig|session[_-]?id|x-amz-[a-z-]+|auth`, `=`), keep: true},
	{re: pair(`token|credentials?|signature|session[_-]?id`, `:`), keep: true, only: notWord},
	{re: re(`(?i)([?&](?:key|pass|pw|pat|jwt|code|sid|access)=)([^&\s"'#<>]+)`), keep: true},
	{re: re(`(?i)(--?(?:password|passwd|token|secret|api-?key)\s+)([^\s"']+)`), keep: true},
}

// host is what a host looks like where no scheme says that one follows: with a port, with a domain, a word, or an address.
const host = `[A-Za-z0-9.-]+:[0-9]{2,5}\b|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b|[A-Za-z][a-z-]{2,}\b|[0-9]+\.[0-9]+\.`

func re(s string) regex.Expression { return regex.Must(s) }

// pair matches a key that ends in one of the words, a separator and the value: quoted, quoted inside a quoted text,
// or up to the next delimiter.
func pair(words, sep string) regex.Expression {
	return re(`(?i)((?:` + words + `)s?\\*["']?\s*` + sep + `>?\s*)` +
		`(\\+"[^"\\]*|"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"'&,;)}\]\\]+)`)
}

// Beginnings of tokens that their vendors publish for secret scanning, each with the least length of what follows. The shapes are those
// of the rules of gitleaks (testdata/gitleaks.txt), cut to what they begin with; a test holds the two together. Four lists, since an
// expression with too many beginnings has no words that it can be looked for by.
const (
	vendors1 = `gh[pousr]_\w{16}|github_pat_\w{16}|gl(?:pat|ptt|rt|dt|soat|ft|cbt|ffct|imt|agent|oas)-[\w.-]{16}|GR1348941[\w-]{16}|` +
		`xox[abeoprs]-[\w-]{8}|xoxe\.xox[bp]-[\w-]{8}|xapp-\d-[\w-]{3}|sk-[\w-]{16}|[srp]k_(?:live|test|prod)_\w{10}|` +
		`whsec_\w{16}|AIza[\w-]{16}|npm_[A-Za-z0-9]{16}|SG\.[\w.=-]{16}|pypi-[\w-]{16}|rubygems_\w{30}|CLOJARS_\w{30}|` +
		`AKCp\w{40}|cmVmd\w{40}|(?i:doo|dop|dor)_v1_\w{40}|dapi[a-f0-9]{32}`
	vendors2 = `dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.]{30}|dt0[a-z]\d\d\.\w{20}|duffel_(?:test|live)_[\w=-]{20}|EZ[AT]K\w{40}|` +
		`EAA[MC]\w{80}|FLW(?:SECK|PUBK)_TEST-\w{12}|f(?:o1|m1[ar]|m2)_[\w+/-]{40}|fio-u-[\w=-]{40}|hf_[A-Za-z]{30}|` +
		`api_org_[A-Za-z]{30}|hv[sb]\.[\w-]{20}|lin_api_\w{30}|LTAI[A-Za-z0-9]{16}|ntn_\w{40}|NR(?:AK|II|JS|RA|AL)-\w{16}|` +
		`A3-[A-Z0-9]{6}-[\w-]{20}|p8e-\w{30}|pat\w{14}\.\w{40}|PMAK-[\w-]{40}|pnu_\w{30}|glsa_\w{32}|glc_[\w+/]{16}`
	vendors3 = `pscale_(?:tkn|oauth|pw)_[\w=.-]|pul-[a-f0-9]{40}|rdme_\w{40}|sgp_\w{30}|sha256~[\w-]{40}|shp(?:at|ca|pa|ss)_\w{30}|` +
		`shippo_(?:live|test)_\w{30}|sm_[aps]at_\w{16}|sntry[su]_[\w+/=]{40}|sq0[a-z]{3}-[\w-]{20}|EAAA[\w-]{22}|` +
		`tfp_[\w.=-]{40}|tk-us-[\w-]{40}|xkeysib-[\w-]{60}|ABSK[A-Za-z0-9+/]{80}|bedrock-api-key-\w{20}|4b1d[A-Za-z0-9]{38}|` +
		`AT(?:ATT3|CTT3)[\w=-]{40}|AGE-SECRET-KEY-1\w{50}|API-[A-Z0-9]{26}`
	vendors4 = `v1\.0-[a-f0-9]{24}-[a-f0-9]{100}|key-[a-f0-9]{32}|\d{5,16}:A[\w-]{34}|\w{6}_\w{29}_mmk|pplx-\w{40}|hs_pat_\w{16}|` +
		`(?:scauth|sc|ext|authress)_\w{5,30}\.\w{4,6}\.acc[_-][\w-]{10}|ops_eyJ[\w+/]{40}|HRKU-AA[\w-]{40}|` +
		`s-s4t2(?:ud|af)-\w{40}|ico-\w{32}|[ps]at\.[\w-]{22}\.\w{20}|\w{14}\.atlasv1\.[\w=-]{40}`
)

// vendor matches a token that begins as one of the alternatives does, to its end.
func vendor(alternatives string) rule {
	return rule{re: re(`(\b|_)((?:` + alternatives + `)[\w.~+/=-]*)`), keep: true}
}

// awsSecret is the shape of a secret access key or session token, and not of a hash or a path.
func awsSecret(s string) bool {
	hasUpper := strings.ContainsFunc(s, unicode.IsUpper)
	hasLower := strings.ContainsFunc(s, unicode.IsLower)
	hasDigit := strings.ContainsFunc(s, unicode.IsDigit)
	return hasUpper && hasLower && hasDigit && strings.Count(s, "/") <= 1+len(s)/20
}

// notWord keeps plain language ("token: missing", "basic authentication") readable.
func notWord(s string) bool {
	return strings.ContainsFunc(s, unicode.IsDigit) || strings.ContainsAny(s, `"'=+_`) || len(s) > 24
}

var scoped = regexp.MustCompile(`^[^:]*:\d{2,5}/(?:.*/)?$`)

// notScope: what stands before the @ is no host and port before a path that goes on with an @, as in http://proxy:8080/@scope/package.
func notScope(s string) bool { return !scoped.MatchString(s) }

var notUser = regexp.MustCompile(`^(?i:mailto|to|from|cc|bcc|sips?|npm|file|node|image|git|urn|arn|\d+)$`)

// userAndPassword: user:password before a host, and no address of a person, package or image, and no time of day.
func userAndPassword(s string) bool {
	user, _, _ := strings.Cut(s, ":")
	return !notUser.MatchString(user) && !strings.Contains(s, "://")
}

var publicKey = regexp.MustCompile(`(?i)public[_-]?key(?:[_-]?token)?\\*["']?\s*[=:]>?\s*$`)

// public reports whether the text ends in the name of a key that everybody may have, as .NET's PublicKeyToken.
func public(before string) bool { return publicKey.MatchString(before) }
