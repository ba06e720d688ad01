package wire_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"taskwarden/test/account/wire"
)

var at = time.Date(2026, 11, 22, 19, 0, 0, 250e6, time.UTC)

func request(path string, body []byte, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// TestProtocolsAgree: the same call in JSON and in CBOR reads the same through the getters.
func TestProtocolsAgree(t *testing.T) {
	mode, err := cbor.EncOptions{Time: cbor.TimeUnixMicro, TimeTag: cbor.EncTagRequired}.EncMode()
	if err != nil {
		t.Fatal(err)
	}
	inCBOR, err := mode.Marshal(map[string]any{"Name": "a", "Count": 7, "Value": 1.5, "On": true, "At": at, "Tags": []any{map[string]any{"Key": "k"}}, "Names": []string{"x", "y"}})
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(inCBOR)
	_ = z.Close()
	inJSON := []byte(`{"Name":"a","Count":7,"Value":1.5,"On":true,"At":1795374000.25,"Tags":[{"Key":"k"}],"Names":["x","y"]}`)
	path := "/service/GraniteServiceVersion20100801/operation/PutMetricData"
	signed := "AWS4-HMAC-SHA256 Credential=AKIAX/20261122/eu-west-1/monitoring/aws4_request, SignedHeaders=host, Signature=00"
	for name, r := range map[string]*http.Request{
		"cbor": request(path, inCBOR, "Smithy-Protocol", "rpc-v2-cbor", "Content-Type", "application/cbor", "Authorization", signed),
		"gzip": request(path, zipped.Bytes(), "Smithy-Protocol", "rpc-v2-cbor", "Content-Encoding", "gzip", "Authorization", signed),
		"json": request("/", inJSON, "X-Amz-Target", "GraniteServiceVersion20100801.PutMetricData", "Content-Type", "application/x-amz-json-1.0", "Authorization", signed),
	} {
		req, err := wire.Decode(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if req.Service != "cloudwatch" || req.Op != "PutMetricData" || req.Region != "eu-west-1" || req.AccessKey != "AKIAX" {
			t.Errorf("%s: %+v", name, req)
		}
		in := req.Input
		when, ok := in.Time("At")
		if in.String("Name") != "a" || in.Int("Count", 0) != 7 || !in.Bool("On") || !ok || !when.Equal(at) ||
			in.Maps("Tags")[0].String("Key") != "k" || !cmp.Equal(in.Strings("Names"), []string{"x", "y"}) || in.Has("No") || in.Int("No", 3) != 3 {
			t.Errorf("%s: %+v", name, in)
		}
	}
}

func TestReplies(t *testing.T) {
	out := map[string]any{"n": int64(3), "f": 0.5, "t": at, "s": `a"b`, "l": []any{"x", nil}, "m": map[string]any{"ok": true}, "raw": json.Number("12345678901234567890")}
	req, err := wire.Decode(request("/", []byte(`{}`), "X-Amz-Target", "AmazonEC2ContainerServiceV20141113.ListClusters", "Content-Type", "application/x-amz-json-1.1"))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := req.Codec.Reply(out, "id-1")
	want := `{"f":0.5,"l":["x",null],"m":{"ok":true},"n":3,"raw":12345678901234567890,"s":"a\"b","t":1795374000.25}`
	if err != nil || string(reply.Body) != want || reply.Status != 200 || reply.Header.Get("X-Amzn-Requestid") != "id-1" {
		t.Errorf("%v\n%s\n%s", err, reply.Body, want)
	}
	failed := req.Codec.Fail(wire.Bad("ClusterNotFoundException", "Cluster not found."), "id-2")
	if failed.Status != 400 || string(failed.Body) != `{"__type":"ClusterNotFoundException","message":"Cluster not found."}` {
		t.Errorf("%d %s", failed.Status, failed.Body)
	}
	req, err = wire.Decode(request("/service/GraniteServiceVersion20100801/operation/DescribeAlarms", nil, "Smithy-Protocol", "rpc-v2-cbor"))
	if err != nil {
		t.Fatal(err)
	}
	delete(out, "raw")
	if reply, err = req.Codec.Reply(out, ""); err != nil || !bytes.Contains(reply.Body, []byte{0xc1, 0xfb}) || reply.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" {
		t.Errorf("timestamps are tag 1 with a float: %v %x", err, reply.Body)
	}
}

func TestQuery(t *testing.T) {
	req, err := wire.Decode(request("/", []byte("Action=AssumeRole&Version=2011-06-15&RoleArn=arn&DurationSeconds=900"), "Content-Type", "application/x-www-form-urlencoded; charset=utf-8"))
	if err != nil || req.Service != "sts" || req.Op != "AssumeRole" || req.Input.Int("DurationSeconds", 0) != 900 {
		t.Fatal(err, req)
	}
	reply, err := req.Codec.Reply(map[string]any{"Credentials": map[string]any{"SessionToken": "a<b", "Expiration": at}}, "r")
	if err != nil || !strings.Contains(string(reply.Body), "<AssumeRoleResult><Credentials><Expiration>2026-11-22T19:00:00Z</Expiration><SessionToken>a&lt;b</SessionToken></Credentials></AssumeRoleResult>") {
		t.Errorf("%v %s", err, reply.Body)
	}
	if failed := req.Codec.Fail(&wire.Error{Code: "AccessDenied", Status: 403, Message: "no"}, "r"); failed.Status != 403 || !strings.Contains(string(failed.Body), "<Code>AccessDenied</Code>") {
		t.Errorf("%s", failed.Body)
	}
}

func TestUnreadable(t *testing.T) {
	for name, r := range map[string]*http.Request{
		"not AWS":     request("/", nil),
		"target":      request("/", nil, "X-Amz-Target", "Elsewhere.Op"),
		"json":        request("/", []byte("{"), "X-Amz-Target", "Logs_20140328.GetLogEvents"),
		"cbor":        request("/service/GraniteServiceVersion20100801/operation/X", []byte{0xff}, "Smithy-Protocol", "rpc-v2-cbor"),
		"path":        request("/elsewhere", nil, "Smithy-Protocol", "rpc-v2-cbor"),
		"gzip":        request("/", []byte("plain"), "Content-Encoding", "gzip", "X-Amz-Target", "Logs_20140328.GetLogEvents"),
		"query":       request("/", []byte("Action=X&Version=1999-01-01"), "Content-Type", "application/x-www-form-urlencoded"),
		"broken form": request("/", []byte("%zz"), "Content-Type", "application/x-www-form-urlencoded"),
	} {
		req, err := wire.Decode(r)
		var bad *wire.Error
		if !errors.As(err, &bad) || req.Codec == nil || req.Codec.Fail(bad, "").Status != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("X-Amz-Target", "Logs_20140328.GetLogEvents", "/", []byte(`{"a":[1,{"b":null}]}`))
	f.Add("Smithy-Protocol", "rpc-v2-cbor", "/service/GraniteServiceVersion20100801/operation/X", []byte{0xa1, 0x61, 0x61, 0xc1, 0x00})
	f.Add("Content-Type", "application/x-www-form-urlencoded", "/", []byte("Action=A&Version=2011-06-15&b=%20"))
	f.Fuzz(func(t *testing.T, header, value, path string, body []byte) {
		r := &http.Request{Method: http.MethodPost, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}
		r.URL = httptest.NewRequest(http.MethodPost, "/", nil).URL
		r.URL.Path = path
		r.Header.Set(header, value)
		req, err := wire.Decode(r)
		if req.Codec == nil {
			t.Fatal("no way to answer")
		}
		if err == nil && (req.Service == "" || req.Op == "" && req.Service != "cloudwatch") {
			t.Fatalf("decoded to nothing: %+v", req)
		}
	})
}
