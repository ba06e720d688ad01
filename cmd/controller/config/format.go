package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones must load in an image without any

	"github.com/robfig/cron/v3"
)

// format is the syntax of a text field.
type format struct {
	what    string // for "is not …"
	example string // in YAML
	pattern string // for the schema too; empty where check says more than a pattern can
	test    func(string) error
}

// errSyntax says that a text has the wrong shape and that there is no more to say.
var errSyntax = errors.New("wrong shape")

func (f format) check(s string) error {
	if f.test != nil {
		return f.test(s)
	}
	if !compiled[f.pattern].MatchString(s) {
		return errSyntax
	}
	return nil
}

// formats names every syntax that a format or keys tag may ask for. Patterns
// follow the AWS API references of the services that take the values.
var formats = map[string]format{
	"name": {what: "a name of letters, digits, . _ and - (at most 64)", example: "prod", pattern: `^[A-Za-z0-9._-]{1,64}$`},
	// EC2 User Guide, "Regions and Zones": parts joined by dashes.
	"region": {what: "an AWS region", example: "ap-northeast-1", pattern: `^[a-z]+(-[a-z0-9]+)+$`},
	// IAM API reference, Role: path and name.
	"roleArn": {what: "the ARN of an IAM role", example: "arn:aws:iam::123456789012:role/taskwarden", pattern: `^arn:aws[a-z0-9-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$`},
	// STS API reference, AssumeRole.ExternalId.
	"externalId": {what: "an external id of 2 to 1224 letters, digits and _+=,.@:/-", example: "taskwarden-prod", test: externalID},
	"arn":        {what: "an ARN", example: "arn:aws:sns:ap-northeast-1:123456789012:oncall", pattern: `^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[a-z0-9-]*:\S+$`},
	"queueUrl":   {what: "the URL of an SQS queue", example: "https://sqs.ap-northeast-1.amazonaws.com/123456789012/taskwarden", test: queueURL},
	// DynamoDB API reference, CreateTable.TableName.
	"table":    {what: "the name of a DynamoDB table", example: "taskwarden", pattern: `^[A-Za-z0-9_.-]{3,255}$`},
	"sha256":   {what: "64 lowercase hex digits, the SHA-256 of a token", example: "the output of: printf %s \"$TOKEN\" | sha256sum", pattern: `^[0-9a-f]{64}$`},
	"envName":  {what: "the name of an environment variable", example: "OTEL_TRACES_SAMPLER", pattern: `^[A-Za-z_][A-Za-z0-9_.-]*$`},
	"glob":     {what: "a glob pattern", example: `"web-*"`, test: glob},
	"regexp":   {what: "a regular expression in RE2 syntax", example: `"^FATAL: "`, test: re2},
	"timezone": {what: "an IANA time zone", example: "Asia/Tokyo", test: timezone},
	"cron":     {what: "a cron schedule", example: `"0 9 * * *"`, test: schedule},
	"address":  {what: "an address to listen on", example: `"127.0.0.1:8080"`, test: address},
	// CloudWatch Logs API reference, CreateLogGroup and CreateLogStream, plus placeholders.
	"logGroup":  {what: "the name of a log group", example: `"/ecs/{cluster}/{service}"`, test: logGroup},
	"logStream": {what: "the name of a log stream", example: `"app/{container}/{task}"`, test: logStream},
}

// compiled holds the formats' patterns.
var compiled = func() map[string]*regexp.Regexp {
	m := map[string]*regexp.Regexp{}
	for _, f := range formats {
		m[f.pattern] = regexp.MustCompile(f.pattern)
	}
	return m
}()

var externalIDs = regexp.MustCompile(`^[\w+=,.@:/-]*$`)

// externalID counts apart, since RE2 stops at 1000 repetitions.
func externalID(s string) error {
	if len(s) < 2 || len(s) > 1224 || !externalIDs.MatchString(s) {
		return errSyntax
	}
	return nil
}

func queueURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Host == "", strings.Trim(u.Path, "/") == "":
		return errSyntax
	case u.User != nil:
		return errors.New("it holds credentials")
	}
	return nil
}

func glob(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	_, err := path.Match(s, "")
	return err
}

func re2(s string) error {
	if s == "" {
		return errors.New("it is empty and would match every line")
	}
	_, err := regexp.Compile(s)
	return err
}

func timezone(s string) error {
	if s == "" || s == "Local" {
		return errors.New("it depends on the machine")
	}
	if _, err := time.LoadLocation(s); err != nil {
		return errSyntax
	}
	return nil
}

// address refuses names of ports, which depend on the machine.
func address(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return errors.New("want host:port")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("want a port from 0 to 65535")
	}
	return nil
}

// ParseSchedule reads a cron expression of five fields, a descriptor such as
// "@daily", or "@every" with a duration of at least 1s (days allowed), as the
// configuration's schedules and windows are written. Times of day are loc's
// unless the expression begins with CRON_TZ=.
func ParseSchedule(s string, loc *time.Location) (cron.Schedule, error) {
	if every, ok := strings.CutPrefix(s, "@every "); ok {
		d, err := ParseDuration(strings.TrimSpace(every))
		if err != nil {
			return nil, err
		}
		if d < Duration(time.Second) {
			return nil, errors.New("more often than every 1s")
		}
		return cron.Every(time.Duration(d)), nil
	}
	// The parser panics on a zone that nothing follows.
	if (strings.HasPrefix(s, "TZ=") || strings.HasPrefix(s, "CRON_TZ=")) && !strings.Contains(s, " ") {
		return nil, errors.New("a time zone alone")
	}
	parsed, err := cron.ParseStandard(s)
	if err != nil {
		return nil, err
	}
	if spec, ok := parsed.(*cron.SpecSchedule); ok && !strings.Contains(s, "TZ=") {
		spec.Location = loc
	}
	return parsed, nil
}

// schedule also refuses one that never fires, as on 30 February. Any start will
// do, since the search covers five years.
func schedule(s string) error {
	parsed, err := ParseSchedule(s, time.UTC)
	if err != nil {
		return err
	}
	if parsed.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return errors.New("it never fires")
	}
	return nil
}

var (
	placeholder  = regexp.MustCompile(`\{([^{}]*)\}`)
	placeholders = []string{"cluster", "service", "family", "container", "task"}
	groupNames   = regexp.MustCompile(`^[A-Za-z0-9._/#-]{1,512}$`)
	streamNames  = regexp.MustCompile(`^[^:*]{1,512}$`)
)

func logGroup(s string) error  { return logName(s, groupNames) }
func logStream(s string) error { return logName(s, streamNames) }

// logName checks a name with its placeholders filled by a letter.
func logName(s string, names *regexp.Regexp) error {
	for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
		if !slices.Contains(placeholders, m[1]) {
			return fmt.Errorf("no placeholder %s: %s", quote(m[0]), suggest(m[1], placeholders))
		}
	}
	filled := placeholder.ReplaceAllString(s, "x")
	if strings.ContainsAny(filled, "{}") || !names.MatchString(filled) {
		return errSyntax
	}
	return nil
}
