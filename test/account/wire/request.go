package wire

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Request is one API call as a service sees it, whatever protocol carried it.
type Request struct {
	Service   string // the IAM prefix of the service: "ecs", "ecr", "cloudwatch", "logs", "sns", "sts" or "cloudformation"
	Op        string // the operation, such as "DescribeTasks"
	Input     Input
	Region    string // from the signature's credential scope; empty for an unsigned call
	AccessKey string // from the signature; empty for an unsigned call
	UserAgent string // how the caller names itself
	Codec     Codec  // how the caller wants to be answered
}

// maxBody is more than any request of the services here may carry (PutMetricData's 1 MB is the largest).
const maxBody = 8 << 20

// targets maps the first part of X-Amz-Target to the service; the names are those of the services' Smithy models.
var targets = map[string]string{
	"AmazonEC2ContainerServiceV20141113":   "ecs",
	"GraniteServiceVersion20100801":        "cloudwatch",
	"Logs_20140328":                        "logs",
	"AmazonEC2ContainerRegistry_V20150921": "ecr",
}

// queryVersions maps the Version of an awsQuery call to the service.
var queryVersions = map[string]string{"2011-06-15": "sts", "2010-05-15": "cloudformation", "2010-03-31": "sns"}

// Decode reads an HTTP request in whichever of awsJson, rpcv2Cbor and awsQuery it is written. A request that is none of
// them, or that cannot be read, gives an *Error; the Request returned beside it still holds the codec to answer with.
func Decode(r *http.Request) (Request, error) {
	body, err := readBody(r)
	if err != nil {
		return Request{Codec: jsonCodec{"application/x-amz-json-1.1"}}, Bad("SerializationException", "cannot read the request body: %v", err)
	}
	req, err := decode(r, body)
	req.AccessKey, req.Region = credentialScope(r.Header.Get("Authorization"))
	req.UserAgent = r.UserAgent()
	return req, err
}

func decode(r *http.Request, body []byte) (Request, error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor":
		return decodeCBOR(r.URL.Path, body)
	case r.Header.Get("X-Amz-Target") != "":
		return decodeJSON(r.Header.Get("X-Amz-Target"), media, body)
	case media == "application/x-www-form-urlencoded":
		return decodeQuery(body)
	}
	return Request{Codec: jsonCodec{"application/x-amz-json-1.1"}},
		Bad("UnknownOperationException", "%s %s is no AWS call: it has neither X-Amz-Target, Smithy-Protocol nor a form body", r.Method, r.URL.Path)
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	defer r.Body.Close()
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		in = z
	}
	body, err := io.ReadAll(io.LimitReader(in, maxBody+1))
	if len(body) > maxBody {
		return nil, fmt.Errorf("longer than %d bytes", maxBody)
	}
	return body, err
}

func decodeJSON(target, media string, body []byte) (Request, error) {
	shape, op, _ := strings.Cut(target, ".")
	req := Request{Service: targets[shape], Op: op, Input: Input{}, Codec: jsonCodec{media}}
	if req.Service == "" || op == "" {
		return req, unknownOperation(target)
	}
	if len(body) == 0 {
		return req, nil
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	if err := d.Decode(&req.Input); err != nil {
		return req, Bad("SerializationException", "%s: %v", op, err)
	}
	return req, nil
}

func decodeCBOR(path string, body []byte) (Request, error) {
	req := Request{Input: Input{}, Codec: cborCodec{}}
	rest, _ := strings.CutPrefix(path, "/service/")
	shape, op, ok := strings.Cut(rest, "/operation/")
	req.Service, req.Op = targets[shape], op
	if !ok || req.Service == "" {
		return req, unknownOperation(path)
	}
	if len(body) == 0 {
		return req, nil
	}
	if err := cborIn.Unmarshal(body, &req.Input); err != nil {
		return req, Bad("SerializationException", "%s: %v", op, err)
	}
	roundTimes(map[string]any(req.Input))
	return req, nil
}

// roundTimes brings timestamps back to whole milliseconds, which is what AWS keeps: as CBOR floats they come with an error
// of some hundred nanoseconds.
func roundTimes(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.Round(time.Millisecond).UTC()
	case map[string]any:
		for k, e := range v {
			v[k] = roundTimes(e)
		}
	case []any:
		for i, e := range v {
			v[i] = roundTimes(e)
		}
	}
	return v
}

// decodeQuery reads an awsQuery form. Lists and structures stay flat ("Tags.member.1.Key"), which is as far as the
// operations answered here look.
func decodeQuery(body []byte) (Request, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return Request{Codec: xmlCodec{}}, Bad("SerializationException", "form: %v", err)
	}
	op, version := form.Get("Action"), form.Get("Version")
	req := Request{Service: queryVersions[version], Op: op, Input: Input{}, Codec: xmlCodec{op: op, version: version}}
	for k, v := range form {
		if k != "Action" && k != "Version" {
			req.Input[k] = v[0]
		}
	}
	if req.Service == "" || op == "" {
		return req, unknownOperation(fmt.Sprintf("%s of version %s", op, version))
	}
	return req, nil
}

func unknownOperation(what string) *Error {
	return Bad("UnknownOperationException", "The requested operation %s is not supported.", what)
}

// credentialScope reads the access key and region out of a signature version 4 header:
// "AWS4-HMAC-SHA256 Credential=AKIA…/20261122/us-east-1/ecs/aws4_request, …". The signature itself is not checked.
func credentialScope(authorization string) (accessKey, region string) {
	_, rest, ok := strings.Cut(authorization, "Credential=")
	if !ok {
		return "", ""
	}
	scope, _, _ := strings.Cut(rest, ",")
	parts := strings.Split(scope, "/")
	if len(parts) < 5 {
		return "", ""
	}
	return parts[0], parts[2]
}
