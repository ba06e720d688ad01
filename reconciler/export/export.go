package export

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/rollout"
)

// Format is the language of an export.
type Format string

// The formats (CONTRACT section 2).
const (
	JSON           Format = "json"
	CloudFormation Format = "cloudformation"
	Terraform      Format = "terraform"
	Ecspresso      Format = "ecspresso"
)

// Formats are all of them, in the order of the help.
func Formats() []Format { return []Format{JSON, CloudFormation, Terraform, Ecspresso} }

// Names are the formats as users write them, in the same order.
func Names() []string {
	var out []string
	for _, f := range Formats() {
		out = append(out, string(f))
	}
	return out
}

// Media is the media type of a format.
func (f Format) Media() string {
	switch f {
	case JSON:
		return "application/json"
	case CloudFormation:
		return "application/yaml"
	}
	return "text/plain; charset=utf-8"
}

// Newest is the rollout of a service that is exported: the live one, or the newest. all are one service's, newest first.
func Newest(all []rollout.Rollout) (rollout.Rollout, bool) {
	if i := slices.IndexFunc(all, rollout.Rollout.Live); i >= 0 {
		return all[i], true
	}
	if len(all) == 0 {
		return rollout.Rollout{}, false
	}
	return all[0], true
}

// partial are the refusals that say that a variable must not be set where it is: such a plan holds only a part of the change.
var partial = []rollout.Reason{rollout.ReasonSecrets, rollout.ReasonEnvFile, rollout.ReasonDuplicate, rollout.ReasonPair, rollout.ReasonUnseen}

// Render writes a rollout's plan in a format. alike are the other services that need the same change of the same owner
// (rollout.Alike). An error is of class rollout.ErrConflict: the plan holds no change that could be exported as a whole.
func Render(r rollout.Rollout, alike []fleet.Key, f Format) ([]byte, error) {
	if len(r.Plan.Set) == 0 || r.Outcome == rollout.Refused && slices.Contains(partial, r.Reason) {
		return nil, rollout.Conflict(r.Remedy, "export rollout %s of %s: %s: %s", r.ID, r.Key(), state(r), r.Message)
	}
	s := sheetOf(r, alike)
	switch f {
	case CloudFormation:
		return s.cloudFormation(), nil
	case Terraform:
		return s.terraform(), nil
	case Ecspresso:
		return s.ecspresso(), nil
	}
	return s.document()
}

// sheet is what every format says.
type sheet struct {
	rollout    rollout.Rollout
	family     string
	region     string
	containers []container
	alike      []fleet.Key
}

type container struct {
	name      string
	variables []variable
}

type variable struct {
	name, value string
	was         *otel.Change // nil: it has the value already
}

func sheetOf(r rollout.Rollout, alike []fleet.Key) sheet {
	p := r.Plan
	s := sheet{rollout: r, family: fleet.NameOf(p.Base), region: fleet.RegionOf(p.ServiceARN), alike: alike}
	if i := strings.LastIndexByte(s.family, ':'); i > 0 {
		s.family = s.family[:i]
	}
	for _, name := range slices.Sorted(maps.Keys(p.Set)) {
		c := container{name: name}
		for _, v := range slices.Sorted(maps.Keys(p.Set[name])) {
			is := variable{name: v, value: p.Set[name][v]}
			if i := slices.IndexFunc(p.Changes, func(c otel.Change) bool { return c.Container == name && c.Name == v }); i >= 0 {
				is.was = &p.Changes[i]
			}
			c.variables = append(c.variables, is)
		}
		s.containers = append(s.containers, c)
	}
	return s
}

func state(r rollout.Rollout) string {
	switch {
	case r.Outcome == "":
		return string(r.Phase)
	case r.Reason != "":
		return fmt.Sprintf("%s (%s)", r.Outcome, r.Reason)
	}
	return string(r.Outcome)
}

// head are the lines above a snippet. place says where in the tool's own files the entries belong.
func (s sheet) head(place string) []string {
	r, p := s.rollout, s.rollout.Plan
	lines := []string{
		fmt.Sprintf("%s: what policy %s changes (rollout %s, plan %s, %s)", r.Key(), p.Policy, r.ID, p.Hash, state(r)),
		"It is no whole definition: put the entries of environment into " + place + ", and leave everything else there as it is.",
		fmt.Sprintf("Service %s, which runs %s", p.ServiceARN, fleet.NameOf(p.Base)),
	}
	owner := "Owner: " + string(p.Owner.State)
	if p.Owner.Name != "" {
		owner = "Owner: " + p.Owner.Name
	}
	lines = append(lines, strings.Join(append([]string{owner}, p.Owner.Evidence...), "; "))
	if r.Reason != "" {
		lines = append(lines, "Not rolled out: "+r.Message)
	}
	for _, why := range p.Why {
		lines = append(lines, "Why: "+why)
	}
	for _, lost := range p.Lost {
		lines = append(lines, "Lost: "+lost)
	}
	return lines
}

// alikeMost is how many other services a snippet names.
const alikeMost = 100

// foot are the lines below a snippet.
func (s sheet) foot() []string {
	if len(s.alike) == 0 {
		return nil
	}
	owner := s.rollout.Plan.Owner.Name
	if owner == "" {
		owner = "an owner that is not known either"
	}
	lines := []string{fmt.Sprintf("The same change for %d other service(s) of %s:", len(s.alike), owner)}
	for i, k := range s.alike {
		if i == alikeMost {
			return append(lines, fmt.Sprintf("  and %d more", len(s.alike)-alikeMost))
		}
		lines = append(lines, "  "+k.String())
	}
	return lines
}

// was says in a few words what stands there now.
func (v variable) said() string {
	switch {
	case v.was == nil:
		return "as it is"
	case !v.was.Existed:
		return "not set now"
	}
	return "now " + quoted(v.was.Old)
}

// comment makes lines of comments, which nothing in them can end.
func comment(b *strings.Builder, mark string, lines []string) {
	for _, l := range lines {
		fmt.Fprintf(b, "%s %s\n", mark, oneLine(l))
	}
}

// oneLine takes out whatever may end a line in some language.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
