// Package export writes a plan for the tool that owns a service: which variables of which containers take which values, in the
// words of that tool, with the place and the evidence as comments. A snippet holds the policy's variables and nothing else of
// the task definition, so that no value outside the allow-list can be in it. Pure: values in, bytes out, the same each time.
package export
