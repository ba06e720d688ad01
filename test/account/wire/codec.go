package wire

import (
	"net/http"
	"reflect"

	"github.com/fxamacker/cbor/v2"
)

// Reply is an HTTP answer, ready to be written or handed to an in-process client.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Codec writes answers in one protocol. Output maps hold string, bool, int, int64, float64, json.Number, time.Time, nil,
// []any, []string, []map[string]any and map[string]any.
type Codec interface {
	Reply(out map[string]any, requestID string) (Reply, error)
	Fail(err *Error, requestID string) Reply
}

// jsonCodec answers in awsJson1.0 or 1.1, by the media type of the request.
type jsonCodec struct{ media string }

func (c jsonCodec) Reply(out map[string]any, requestID string) (Reply, error) {
	body, err := AppendJSON(nil, out)
	return Reply{Status: http.StatusOK, Header: c.header(requestID), Body: body}, err
}

func (c jsonCodec) Fail(err *Error, requestID string) Reply {
	body, _ := AppendJSON(nil, failure(err)) // strings only: cannot fail
	h := c.header(requestID)
	h.Set("X-Amzn-Errortype", err.Code)
	return Reply{Status: err.Status, Header: h, Body: body}
}

func (c jsonCodec) header(requestID string) http.Header {
	return http.Header{"Content-Type": {c.media}, "X-Amzn-Requestid": {requestID}}
}

func failure(err *Error) map[string]any {
	return map[string]any{"__type": err.Code, "message": err.Message}
}

// cborCodec answers in Smithy's rpcv2Cbor: maps, timestamps as tag 1, errors told apart by "__type" in the body.
type cborCodec struct{}

var (
	cborOut = must(cbor.EncOptions{Time: cbor.TimeUnixMicro, TimeTag: cbor.EncTagRequired}.EncMode())
	cborIn  = must(cbor.DecOptions{
		DefaultMapType: reflect.TypeFor[map[string]any](),
		IntDec:         cbor.IntDecConvertSignedOrFail,
	}.DecMode())
)

// must holds for the constant options above: a mistake in them shows in the first test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (c cborCodec) Reply(out map[string]any, requestID string) (Reply, error) {
	body, err := cborOut.Marshal(out)
	return Reply{Status: http.StatusOK, Header: c.header(requestID), Body: body}, err
}

func (c cborCodec) Fail(err *Error, requestID string) Reply {
	body, _ := cborOut.Marshal(failure(err)) // strings only: cannot fail
	return Reply{Status: err.Status, Header: c.header(requestID), Body: body}
}

func (c cborCodec) header(requestID string) http.Header {
	return http.Header{
		"Content-Type":     {"application/cbor"},
		"Smithy-Protocol":  {"rpc-v2-cbor"},
		"X-Amzn-Requestid": {requestID},
	}
}
