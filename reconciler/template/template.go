// Package template reads the task definitions that infrastructure as code declares: plans and states of Terraform as
// `terraform show -json` prints them, and CloudFormation templates in JSON or YAML, which is also what the AWS CDK and
// AWS SAM write.
//
// A template is judged before anything exists, so part of it is not known yet: values of other resources, parameters
// without a default, values known only after apply. Those are unseen (fleet.ContainerDefinition.Unseen), never wrong and
// never absent.
package template

import (
	"cmp"
	"fmt"

	"taskwarden/reconciler/fleet"
)

// Kind is what a document is.
type Kind string

// Kinds.
const (
	TaskDefinition Kind = "task definition" // read by fleet.ParseDefinition
	Terraform      Kind = "Terraform"
	CloudFormation Kind = "CloudFormation"
)

// Reading is what one document declares.
type Reading struct {
	Kind      Kind
	Resources []Resource // in the document's order
	// Notes says what the reading rests on and what it left out: defaults of parameters, nested stacks, transforms.
	Notes []string
}

// Resource is one task definition of a document.
type Resource struct {
	Address    string // "module.shop.aws_ecs_task_definition.app", or the logical id
	Line       int    // where it begins, from 1; 0 where the document is one line
	Definition fleet.Definition
	Open       string // why none of its containers can be judged, "" where they can
	lines      map[place]int
}

// place is a container, or one variable of it.
type place struct{ container, variable string }

// LineOf is the line of the first of those variables that the container sets, else of the container, else of the
// resource; 0 where the document is one line.
func (r Resource) LineOf(container string, variables []string) int {
	for _, name := range variables {
		if line := r.lines[place{container, name}]; line > 0 {
			return line
		}
	}
	return cmp.Or(r.lines[place{container, ""}], r.Line)
}

// Error says where a document cannot be read, and what to do about it.
type Error struct {
	Line, Column int // from 1; 0 where the whole document is meant
	Problem      string
	Remedy       string
}

// Error is "line 3, column 5: not YAML: …; indent with spaces".
func (e *Error) Error() string {
	text := e.Problem
	if e.Line > 0 {
		text = fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, text)
	}
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}
