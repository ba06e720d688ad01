// Package config turns the text of a ControllerConfig into a complete, checked
// [Config], or into every problem the text has, each with its place.
//
// The Go types are the only description of the format. Their yaml tags are the
// field names; their doc comments become the descriptions of the JSON Schema;
// and these tags carry the rules that [Load] enforces and [Schema] publishes:
//
//	required:"true"   the field must be given
//	nonempty:"true"   a list that is given must have an entry
//	min:"1" max:"9"   bounds of a number or a duration
//	maxItems:"5"      the longest list AWS takes
//	format:"arn"      the syntax of a text, or of each entry of a list or map (format.go)
//	keys:"envName"    the syntax of a map's keys
//	secret:"true"     the value is never echoed in a problem nor printed
//
// What concerns two fields at once is in validate.go, and what this version
// does not do yet in missing.go. The package reads no configuration file, no
// environment and no clock.
package config
