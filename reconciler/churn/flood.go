package churn

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// InternalOperation is what Application Signals calls a span without a parent in its process that is not of kind SERVER:
// work that the application began itself, or an instrumented client's call that lost its context. Some of it is normal
// (CloudWatch guide, "Troubleshoot your Application Signals installation").
const InternalOperation = "InternalOperation"

// When InternalOperation is a flood. The incident's was 3,000 a minute of four tasks, 750 a task, nearly all there was.
// Volume keeps out pollers and heartbeats: a sampler's own polling makes about 7 a minute and task, a client that asks
// once a second 60. Share keeps out a busy service some of whose work is its own. A consumer of queues is all
// InternalOperation by design, and opens only above five messages a second and task. Both must hold in ten of the last fifteen
// minutes, and half of both in five of them keeps a finding open.
const (
	floodPerTask = 300 // requests a minute
	floodLeast   = 600 // of the whole service
	floodShare   = 0.5
	floodKeeps   = 0.5 // of the above
	floodMinutes = 10
	keepMinutes  = 5
)

// flood claims that a service's own loop floods its telemetry.
func (c court) flood() []finding.Claim {
	_, uses, whole := SignalsOf(c.o)
	is := c.o.Metrics.Signals
	switch {
	case !uses && whole:
		return nil
	case c.lacks(is.Absent):
		return append(signalsAbsent(is), finding.Claim{Type: finding.TelemetryFlood, Keeps: true, Blind: true})
	case !is.Complete || !is.Absent.IsZero() || c.now.Sub(is.At) >= staleMetrics:
		return []finding.Claim{{Type: finding.TelemetryFlood, Keeps: true, Blind: true}}
	}
	tall, low := c.flooded(1), c.flooded(floodKeeps)
	if len(tall) < floodMinutes && len(low) < keepMinutes {
		return nil
	}
	claim := c.floodClaim(low)
	claim.Keeps = len(tall) < floodMinutes
	return []finding.Claim{claim}
}

// FloodWorth tells whether so many requests of InternalOperation could be a flood of the service, or keep one open: then its
// other metrics are worth their price.
func FloodWorth(o fleet.Observation, internal []fleet.Point) bool {
	least := floodKeeps * floodVolume(court{o: o}.tasks())
	return slices.ContainsFunc(internal, func(p fleet.Point) bool { return p.Value >= least })
}

func floodVolume(tasks int) float64 { return float64(max(floodPerTask*tasks, floodLeast)) }

// flooded are the minutes in which volume and share are at least this part of a flood's.
func (c court) flooded(part float64) []fleet.Point {
	all := map[time.Time]float64{}
	for _, p := range c.o.Metrics.Signals.All {
		all[p.At] = p.Value
	}
	var out []fleet.Point
	for _, p := range c.o.Metrics.Signals.Internal {
		if p.Value >= part*floodVolume(c.tasks()) && p.Value >= part*floodShare*all[p.At] && all[p.At] > 0 {
			out = append(out, p)
		}
	}
	return out
}

func (c court) floodClaim(minutes []fleet.Point) finding.Claim {
	is := c.o.Metrics.Signals
	internal, all := SumOf(is.Internal), SumOf(is.All)
	span := max(is.At.Sub(is.From).Minutes(), 1)
	m := fmt.Sprintf("%s made %s requests a minute from %s to %s, %.0f %% of all that Application Signals counted of service %s in %s; in %d of %.0f minutes it was a flood",
		InternalOperation, number(internal/span), clockOf(is.From), clockOf(is.At), 100*internal/max(all, internal), Mask(is.Service), Mask(is.Environment), len(minutes), span)
	if calls := remoteCalls(is.Remote); calls != "" {
		m += "; it calls " + calls
	}
	if set := c.sampler(c.o.Service.TaskDefinition); set != "" {
		m += "; " + set
	}
	return finding.Claim{Type: finding.TelemetryFlood, Severity: finding.Warning, Reason: InternalOperation, Message: m,
		Evidence: floodAdvice(), Since: minutes[0].At, Count: len(minutes)}
}

// floodAdvice says what helps and what does not. AWS's SDKs record each span for the metrics, sampled or not (ADOT's
// AlwaysRecordSampler), so no sampler lowers these numbers.
func floodAdvice() []string {
	return []string{
		"sampling (OTEL_TRACES_SAMPLER, an X-Ray sampling rule) lowers the traces that are exported, and not these metrics: they come from unsampled spans too",
		"what lowers them: the instrumentation of the looping client off (OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, OTEL_NODE_DISABLED_INSTRUMENTATIONS), a SERVER span around the work, or a rule of the agent that drops Operation " + InternalOperation,
		"a consumer of queues, a poller or a warm-up is InternalOperation by design: then only its price is at stake",
	}
}

// SumOf adds the values up.
func SumOf(points []fleet.Point) float64 {
	sum := 0.0
	for _, p := range points {
		sum += p.Value
	}
	return sum
}

func remoteCalls(calls []fleet.RemoteCall) string {
	var out []string
	for _, r := range calls[:min(len(calls), maxShown)] {
		out = append(out, fmt.Sprintf("%s %s (%s)", Mask(r.Service), Mask(r.Operation), number(r.Count)))
	}
	return strings.Join(out, ", ")
}

// SignalName is how Application Signals names a service.
type SignalName struct {
	Service      string   // "": the definition names none that can be seen
	Environments []string // the likeliest first
}

// SignalsOf tells whether the service's definition enables Application Signals, and under which name: service.name of
// OTEL_SERVICE_NAME before OTEL_RESOURCE_ATTRIBUTES (OpenTelemetry, "SDK environment variables"); deployment.environment, else
// ecs:<cluster> (CloudWatch guide, "Enable Application Signals on Amazon ECS"). whole: the definition is known.
func SignalsOf(o fleet.Observation) (name SignalName, uses, whole bool) {
	d, whole := o.Definitions[o.Service.TaskDefinition]
	for _, c := range d.Containers {
		if !enabled(c, "OTEL_AWS_APPLICATION_SIGNALS_ENABLED") && !enabled(c, "OTEL_AWS_APP_SIGNALS_ENABLED") {
			continue
		}
		raw, _ := c.Setting("OTEL_RESOURCE_ATTRIBUTES")
		is := attributesOf(raw)
		own, _ := c.Setting("OTEL_SERVICE_NAME")
		name.Service = cmp.Or(own, is["service.name"])
		for _, e := range []string{is["deployment.environment.name"], is["deployment.environment"], is["aws.hostedin.environment"], "ecs:" + o.Key.Cluster, "ecs:default"} {
			if e != "" {
				name.Environments = append(name.Environments, e)
			}
		}
		return name, true, true
	}
	return name, false, whole || o.Service.TaskDefinition == ""
}

func enabled(c fleet.ContainerDefinition, name string) bool {
	v, _ := c.Setting(name)
	return strings.EqualFold(strings.TrimSpace(v), "true")
}

// attributesOf reads OTEL_RESOURCE_ATTRIBUTES: name=value pairs between commas, values percent-encoded.
func attributesOf(raw string) map[string]string {
	out := map[string]string{}
	for pair := range strings.SplitSeq(raw, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if text, err := url.PathUnescape(strings.TrimSpace(value)); ok && err == nil {
			out[strings.TrimSpace(name)] = text
		}
	}
	return out
}

// Environment picks the service's among those that CloudWatch has metrics of: the likeliest by name, or the only one; ""
// where neither decides.
func (n SignalName) Environment(have []string) string {
	for _, e := range n.Environments {
		if slices.Contains(have, e) {
			return e
		}
	}
	distinct := map[string]bool{}
	for _, e := range have {
		distinct[e] = true
	}
	if len(distinct) == 1 {
		return slices.Collect(maps.Keys(distinct))[0]
	}
	return ""
}
