package otel

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// ratio reads a ratio sampler's argument: a number in [0, 1] (specification, "SDK environment variables"). A problem
// that is not "" says what is wrong, as the rest of a sentence that begins with the value.
func ratio(value string) (v float64, problem string) {
	text := strings.TrimSpace(value)
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case strings.HasSuffix(text, "%"):
		return 0, "is a percentage: write a ratio between 0 and 1, such as 0.01 for 1 %"
	case strings.ContainsAny(text, `"'`):
		return 0, "has quotes in it, which belong to a shell and not to the value"
	case strings.HasPrefix(text, "${") || strings.HasPrefix(text, "$("):
		return 0, "is a placeholder that nothing replaces: ECS passes values as they are"
	case strings.Contains(text, "="):
		return 0, "is no number: write the ratio alone, such as 0.1"
	case err != nil && strings.Contains(text, ","):
		return 0, "has a comma: write a ratio with a decimal point"
	case err != nil || strings.ContainsAny(text, "xX_"), math.IsNaN(v), math.IsInf(v, 0):
		return 0, "is no number: write a ratio between 0 and 1"
	case v > 1 && v <= 100:
		return 0, "is above 1: write a ratio, such as 0.1 for 10 %"
	case v < 0 || v > 1:
		return 0, "is not between 0 and 1"
	}
	return v, ""
}

// remoteKeys are those of the remote samplers' arguments.
var remoteKeys = []string{"endpoint", "polling_interval", "pollingIntervalMs", "initialSamplingRate"}

// remote tells whether value is a remote sampler's argument: a URL, or pairs of which one key is known.
func remote(value string) bool {
	if strings.Contains(value, "://") {
		return true
	}
	for entry := range strings.SplitSeq(value, ",") {
		key, _, found := strings.Cut(entry, "=")
		if found && slices.Contains(remoteKeys, strings.TrimSpace(key)) {
			return true
		}
	}
	return false
}

// ratioMeant is the ratio that somebody most likely meant by a value that is none: "5%", "0,05", "ratio=0.05". Where that
// cannot be told (5 may be a percentage, or traces a second), or would be everything, it is the default.
func ratioMeant(value string) string {
	text := strings.ToLower(strings.Trim(value[strings.LastIndexByte(value, '=')+1:], " \t\r\n\"'"))
	number, percent := strings.CutSuffix(strings.TrimSpace(strings.TrimSuffix(text, "percent")), "%")
	percent = percent || strings.HasSuffix(text, "percent")
	if strings.Count(number, ",") == 1 && !strings.Contains(number, ".") {
		number = strings.Replace(number, ",", ".", 1)
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v < 1) {
		return defaultRatio
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// pairs splits "endpoint=http://localhost:2000,polling_interval=300". ok is false where an entry is no pair.
func pairs(value string) (out map[string]string, ok bool) {
	out = map[string]string{}
	for entry := range strings.SplitSeq(value, ",") {
		key, v, found := strings.Cut(entry, "=")
		if strings.TrimSpace(entry) == "" {
			continue // all readers skip it
		}
		if !found || strings.TrimSpace(key) == "" {
			return nil, false
		}
		out[strings.TrimSpace(key)] = strings.TrimSpace(v)
	}
	return out, true
}

// xrayVerdict judges the argument of the X-Ray sampler: endpoint=<url>[,polling_interval=<seconds>] (CloudWatch user
// guide, application-signals-samplerate; the Python and Java distributions' readers).
func xrayVerdict(s sampler) verdict {
	ignored := "the xray sampler ignores it and asks for central rules at its default endpoint"
	if s.language.Fatal { // the argument is read as a map, and what is none throws
		ignored = "the xray sampler cannot read it; " + s.language.BadRatio
	}
	if v, problem := ratio(s.arg.Value); problem == "" {
		out := verdict{mismatch: true, weak: !s.language.Fatal, ratio: defaultRatio, message: quote(s.arg.Value) + " is a ratio; " + ignored}
		if v < 1 {
			out.ratio = strings.TrimSpace(s.arg.Value)
		}
		return out
	}
	list, ok := pairs(s.arg.Value)
	if !ok {
		return verdict{ratio: defaultRatio, message: quote(s.arg.Value) + " is no list endpoint=<url>,polling_interval=<seconds>; " + ignored}
	}
	if endpoint, given := list["endpoint"]; given && !hasScheme(endpoint) {
		return verdict{ratio: defaultRatio, message: "the xray sampler's endpoint " + quote(endpoint) + " has no http:// or https://"}
	}
	if every, given := list["polling_interval"]; given {
		if n, err := strconv.Atoi(every); err != nil || n < 10 {
			return verdict{ratio: defaultRatio, message: "the xray sampler's polling_interval " + quote(every) + " is no whole number of seconds from 10 up"}
		}
	}
	return unknownKeys(s, list, "endpoint", "polling_interval")
}

// jaegerVerdict judges endpoint=…,pollingIntervalMs=…,initialSamplingRate=… (specification, "SDK environment variables").
func jaegerVerdict(s sampler) verdict {
	if _, problem := ratio(s.arg.Value); problem == "" {
		return verdict{mismatch: true, message: quote(s.arg.Value) + " is a ratio; " + s.name.Value + " takes endpoint=…,pollingIntervalMs=…,initialSamplingRate=…"}
	}
	list, ok := pairs(s.arg.Value)
	if !ok {
		return verdict{message: quote(s.arg.Value) + " is no list endpoint=…,pollingIntervalMs=…,initialSamplingRate=…"}
	}
	if rate, given := list["initialSamplingRate"]; given {
		if _, problem := ratio(rate); problem != "" {
			return verdict{message: "initialSamplingRate " + quote(rate) + " " + problem}
		}
	}
	if every, given := list["pollingIntervalMs"]; given {
		if n, err := strconv.Atoi(every); err != nil || n <= 0 {
			return verdict{message: "pollingIntervalMs " + quote(every) + " is no whole number of milliseconds"}
		}
	}
	return unknownKeys(s, list, "endpoint", "pollingIntervalMs", "initialSamplingRate")
}

// unknownKeys is weak: another version of the SDK may know them.
func unknownKeys(s sampler, list map[string]string, known ...string) verdict {
	var odd []string
	for key := range list {
		if !slices.Contains(known, key) {
			odd = append(odd, key)
		}
	}
	if len(odd) == 0 {
		return verdict{}
	}
	slices.Sort(odd)
	return verdict{weak: true, message: quote(strings.Join(odd, ", ")) + " means nothing to the sampler " + s.name.Value + ", which knows " + strings.Join(known, ", ")}
}
