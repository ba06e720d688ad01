package account

import (
	"fmt"
	"slices"
	"strings"

	"taskwarden/test/account/wire"
)

// listServiceDeployments lists newest first, 20 a page (API reference).
func listServiceDeployments(a *Account, in wire.Input) (map[string]any, error) {
	s, err := a.serviceOf(in)
	if err != nil {
		return nil, err
	}
	p, err := page(in, 20)
	if err != nil {
		return nil, err
	}
	var found []*deployment
	for _, d := range slices.Backward(s.history) {
		if d.asked(in) {
			found = append(found, d)
		}
	}
	found = found[1+slices.IndexFunc(found, func(d *deployment) bool { return d.id == p.after }):]
	out, briefs := map[string]any{}, []any{}
	for _, d := range found[:min(p.most, len(found))] {
		briefs = append(briefs, d.brief())
	}
	if len(found) > p.most {
		out["nextToken"] = token(found[p.most-1].id)
	}
	out["serviceDeployments"] = briefs
	return out, nil
}

// asked says whether a deployment passes the filters of ListServiceDeployments.
func (d *deployment) asked(in wire.Input) bool {
	if after, ok := in.Map("createdAt").Time("after"); ok && d.created.Before(after) {
		return false
	}
	if before, ok := in.Map("createdAt").Time("before"); ok && d.created.After(before) {
		return false
	}
	statuses := in.Strings("status")
	return len(statuses) == 0 || slices.Contains(statuses, d.status)
}

// serviceOf finds the service that an input names together with its cluster.
func (a *Account) serviceOf(in wire.Input) (*service, error) {
	c, err := a.cluster(in)
	if err != nil {
		return nil, err
	}
	if s := c.service(in.String("service")); s != nil {
		return s, nil
	}
	return nil, wire.Bad("ServiceNotFoundException", "Service not found.")
}

func describeServiceDeployments(a *Account, in wire.Input) (map[string]any, error) {
	return a.describeHistory(in, "serviceDeploymentArns", "serviceDeployments", (*deployment).shape)
}

func describeServiceRevisions(a *Account, in wire.Input) (map[string]any, error) {
	return a.describeHistory(in, "serviceRevisionArns", "serviceRevisions", (*deployment).revisionShape)
}

func (a *Account) describeHistory(in wire.Input, member, key string, shape func(*deployment) map[string]any) (map[string]any, error) {
	arns, err := batch(in, member, member, 20)
	if err != nil {
		return nil, err
	}
	found, failures := []any{}, []any{}
	for _, arn := range arns {
		d := a.deployment(arn)
		if d == nil {
			failures = append(failures, missing(arn))
			continue
		}
		found = append(found, shape(d))
	}
	return map[string]any{key: found, "failures": failures}, nil
}

// deployment finds a deployment by its ARN as service deployment or as service revision; both end in
// <cluster>/<service>/<id>. nil: there is none.
func (a *Account) deployment(arn string) *deployment {
	parts := strings.Split(arn, "/")
	if len(parts) != 4 {
		return nil
	}
	s, err := a.serviceOf(wire.Input{"cluster": parts[1], "service": parts[2]})
	if err != nil {
		return nil
	}
	for _, d := range s.history {
		if arn == d.arn() || arn == d.revisionARN() {
			return d
		}
	}
	return nil
}

func (d *deployment) arn() string { return d.resource("service-deployment") }

func (d *deployment) revisionARN() string { return d.resource("service-revision") }

func (d *deployment) resource(kind string) string {
	s := d.service
	return s.account.arn("ecs", fmt.Sprintf("%s/%s/%s/%s", kind, s.cluster.name, s.Name, strings.TrimPrefix(d.id, "ecs-svc/")))
}
