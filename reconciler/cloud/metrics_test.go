package cloud

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxamacker/cbor/v2"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

func counters(n int, at time.Time) []alarm.Datum {
	var out []alarm.Datum
	for i := range n {
		out = append(out, alarm.Datum{
			Metric: "UnplannedStops", Dimensions: []alarm.Dimension{{Name: "ClusterName", Value: "prod"}, {Name: "ServiceName", Value: fmt.Sprintf("s%04d", i)}},
			At: at, Value: float64(i + 1), Unit: "Count",
		})
	}
	return out
}

func TestDataArriveAndAreReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		minute := time.Now().Truncate(time.Minute)
		data := counters(2300, minute)
		if err := a.PutData(t.Context(), data); err != nil || count(w, "PutMetricData") != 3 {
			t.Fatalf("%v, %d calls", err, count(w, "PutMetricData"))
		}
		dims := map[string]string{"ClusterName": "prod", "ServiceName": "s1999"}
		if got := w.CloudWatch().Data(alarm.Namespace, "UnplannedStops", dims); len(got) != 1 {
			t.Errorf("CloudWatch has %v", got)
		}
		asked := append(counters(2300, minute), counters(2, minute.Add(-time.Minute))...)
		asked = append(asked, alarm.Datum{Metric: "UnplannedStops", At: minute}, alarm.Datum{Metric: "Other", Dimensions: data[0].Dimensions, At: minute})
		time.Sleep(time.Minute)
		got, err := a.Maxima(t.Context(), asked)
		if err != nil || len(got) != len(asked) {
			t.Fatalf("%v, %d", err, len(got))
		}
		for i, v := range got {
			if i < 2300 && v != float64(i+1) || i >= 2300 && !math.IsNaN(v) {
				t.Errorf("%d: %v for %+v", i, v, asked[i])
			}
		}
	})
}

func TestARepeatedDatumKeepsItsMaximum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		data := counters(1, time.Now().Truncate(time.Minute))
		for range 2 {
			if err := a.PutData(t.Context(), data); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := a.Maxima(t.Context(), data); err != nil || got[0] != 1 {
			t.Errorf("%v %v", got, err)
		}
	})
}

func TestPutDataSaysHowFarItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		n := 0
		w.Gate(isOp("PutMetricData"), func(account.Call) account.Gate {
			if n++; n == 2 {
				return account.Gate{Err: outage()}
			}
			return account.Gate{}
		})
		err := watching(w, Options{}).PutData(t.Context(), counters(2500, time.Now()))
		p, ok := errors.AsType[*PutError](err)
		if !ok || p.Accepted != 1000 || n != 2 {
			t.Errorf("%v after %d calls", err, n)
		}
		if f, ok := errors.AsType[*fleet.Fault](err); !ok || f.Operation != "cloudwatch:PutMetricData" {
			t.Errorf("%v", err)
		}
		if err := watching(w, Options{}).PutData(t.Context(), nil); err != nil || n != 2 {
			t.Errorf("no data: %v, %d calls", err, n)
		}
	})
}

// results answers GetMetricData with these.
type results []map[string]any

func (rs results) Do(r *http.Request) (*http.Response, error) {
	return cborAnswer(r, map[string]any{"MetricDataResults": rs})
}

func cborAnswer(r *http.Request, out map[string]any) (*http.Response, error) {
	body, err := cbor.Marshal(out)
	resp := answer(r, 200, "application/cbor", body)
	resp.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	return resp, err
}

func TestMaximaAreCompleteOrAnError(t *testing.T) {
	for name, tc := range map[string]struct {
		in results
		ok bool
	}{
		"complete":  {results{{"Id": "m0", "StatusCode": "Complete", "Values": []float64{2, 5, 3}}}, true},
		"not begun": {nil, false},
		"broken":    {results{{"Id": "m0", "StatusCode": "InternalError"}}, false},
		"partial":   {results{{"Id": "m0", "StatusCode": "PartialData", "Values": []float64{2}}}, false},
		"not asked": {results{{"Id": "m0", "StatusCode": "Complete"}, {"Id": "m7", "StatusCode": "Complete"}}, false},
		"no index":  {results{{"Id": "x", "StatusCode": "Complete"}}, false},
	} {
		a := New(baseConfig(tc.in), Options{Allow: everything()})
		got, err := a.Maxima(t.Context(), counters(1, time.Now()))
		if (err == nil) != tc.ok || tc.ok && got[0] != 5 || !tc.ok && got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
