package wire

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Entries is a map of texts, as the query protocol writes one: <entry><key>…</key><value>…</value></entry>.
type Entries map[string]string

// xmlCodec answers an awsQuery call: <OpResponse><OpResult>…</OpResult><ResponseMetadata>….
type xmlCodec struct{ op, version string }

func (c xmlCodec) Reply(out map[string]any, requestID string) (Reply, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%sResponse xmlns=%q><%sResult>", c.op, "https://"+queryVersions[c.version]+".amazonaws.com/doc/"+c.version+"/", c.op)
	err := xmlValue(&b, out)
	fmt.Fprintf(&b, "</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>", c.op, requestID, c.op)
	return Reply{Status: http.StatusOK, Header: c.header(requestID), Body: b.Bytes()}, err
}

func (c xmlCodec) Fail(err *Error, requestID string) Reply {
	var b bytes.Buffer
	b.WriteString("<ErrorResponse><Error><Type>Sender</Type>")
	_ = xmlValue(&b, map[string]any{"Code": err.Code, "Message": err.Message}) // strings only: cannot fail
	fmt.Fprintf(&b, "</Error><RequestId>%s</RequestId></ErrorResponse>", requestID)
	return Reply{Status: err.Status, Header: c.header(requestID), Body: b.Bytes()}
}

func (c xmlCodec) header(requestID string) http.Header {
	return http.Header{"Content-Type": {"text/xml"}, "X-Amzn-Requestid": {requestID}}
}

func xmlValue(b *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			fmt.Fprintf(b, "<%s>", k)
			if err := xmlValue(b, v[k]); err != nil {
				return err
			}
			fmt.Fprintf(b, "</%s>", k)
		}
		return nil
	case []any:
		for _, e := range v {
			b.WriteString("<member>")
			if err := xmlValue(b, e); err != nil {
				return err
			}
			b.WriteString("</member>")
		}
		return nil
	case Entries:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b.WriteString("<entry>")
			_ = xmlValue(b, map[string]any{"key": k, "value": v[k]}) // strings only: cannot fail
			b.WriteString("</entry>")
		}
		return nil
	case string:
		return xml.EscapeText(b, []byte(v))
	case int, int64, bool:
		_, err := fmt.Fprint(b, v)
		return err
	case time.Time:
		b.WriteString(v.UTC().Format(time.RFC3339))
		return nil
	}
	return fmt.Errorf("encode %T as XML: not a shape that this account answers with", v)
}
