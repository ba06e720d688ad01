// Package otel judges the OpenTelemetry settings and the telemetry sidecars of a task definition, and patches the raw
// document of one without losing anything.
//
// Lint applies an ordered table of rules (rules.go) to a reduced definition. A rule speaks of what the definition shows:
// a variable that arrives from a secret or an environment file, or whose value was not kept, is unseen, and nothing is
// concluded from it (Gaps lists those places). What an image sets by itself is never seen.
//
// Patch and Diff work on the JSON that AWS sent, not on the SDK's types, so that fields which this program does not know,
// the order of keys and the spelling of numbers survive a registration.
package otel
