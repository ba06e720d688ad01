package account

import (
	"fmt"
	"time"
)

// Bulk is a large, quiet account for counting calls and time: so many clusters, services spread over them, and tasks spread
// over the services. Each service has a family of its own with three containers.
func Bulk(clusters, services, tasks int) Scenario {
	s := Scenario{Name: "bulk", Why: fmt.Sprintf("%d clusters, %d services and %d tasks that do nothing", clusters, services, tasks)}
	for i := range clusters {
		s.Clusters = append(s.Clusters, Cluster{Name: fmt.Sprintf("prod-%03d", i)})
	}
	for i := range services {
		c := &s.Clusters[i%clusters]
		desired := tasks / services
		if i < tasks%services {
			desired++
		}
		c.Services = append(c.Services, Service{
			Name: fmt.Sprintf("service-%05d", i), Desired: desired, Tags: map[string]string{"team": "payments"},
			TaskDefinition: TaskDefinition{Family: fmt.Sprintf("service-%05d", i), Containers: plainContainers("app", "envoy", "datadog-agent")},
		})
	}
	return s
}

func plainContainers(names ...string) []map[string]any {
	var out []map[string]any
	for i, name := range names {
		out = append(out, map[string]any{
			"name": name, "image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/platform/" + name + ":2026-11-20.3", "essential": i == 0,
			"environment": map[string]any{"ENV": "prod", "LOG_LEVEL": "info"},
		})
	}
	return out
}

// fleetCluster is how many services of a Fleet share a cluster.
const fleetCluster = 20

// Fleet is a company's account: n services, the first crashing of them with the incident's sidecar (lifetimes of six to
// seven hours under the xray sampler), the others healthy; every fifth of the others is deployed daily and every seventh
// scales up and down. Desired counts run from 1 to 4.
func Fleet(n, crashing int, seed uint64) Scenario {
	s := Scenario{Name: "fleet", Why: fmt.Sprintf("%d services, %d of which lose tasks to a crashing sidecar", n, crashing), Seed: seed}
	for i := range n {
		if i%fleetCluster == 0 {
			s.Clusters = append(s.Clusters, Cluster{Name: fmt.Sprintf("fleet-%02d", i/fleetCluster)})
		}
		c := &s.Clusters[len(s.Clusters)-1]
		v := fleetService(i, i < crashing)
		c.Services = append(c.Services, v)
		if i >= crashing {
			s.Timeline = append(s.Timeline, fleetLife(i, c.Name+"/"+v.Name, v.Desired)...)
		}
	}
	return s
}

func fleetService(i int, crashing bool) Service {
	name := fmt.Sprintf("service-%03d", i)
	v := Service{Name: name, Desired: 1 + i%4, TaskDefinition: TaskDefinition{Family: name, Containers: plainContainers("app", "cwagent")}}
	env := v.TaskDefinition.Containers[0]["environment"].(map[string]any)
	env["OTEL_TRACES_SAMPLER"], env["OTEL_TRACES_SAMPLER_ARG"] = "parentbased_traceidratio", "0.01"
	if crashing {
		env["OTEL_TRACES_SAMPLER"], env["OTEL_TRACES_SAMPLER_ARG"] = "xray", "endpoint=http://localhost:2000"
	}
	v.TaskDefinition.Containers[1]["essential"] = true
	v.Models = map[string]Model{"cwagent": {Cases: []Case{{
		When: map[string]string{"OTEL_TRACES_SAMPLER": "xray"}, Lifetime: Between(6*time.Hour, 7*time.Hour), Exit: 2,
		Log: Lines{"fatal error: concurrent map writes", "", "goroutine 1947 [running]:"},
	}}}}
	return v
}

// fleetLife is what a healthy team does to its service.
func fleetLife(i int, address string, desired int) []Step {
	var steps []Step
	daily, offset := Exactly(24*time.Hour), time.Duration(i)*11*time.Minute
	if i%5 == 0 {
		steps = append(steps, Step{At: Exactly(9*time.Hour + offset), Every: daily, Do: DoDeploy, Service: address,
			Image: map[string]string{"app": "111122223333.dkr.ecr.us-east-1.amazonaws.com/platform/app:next"}, Why: "the daily release"})
	}
	if i%7 == 0 {
		steps = append(steps,
			Step{At: Exactly(8*time.Hour + offset), Every: daily, Do: DoScale, Service: address, Desired: desired + 2, Why: "the day's traffic comes"},
			Step{At: Exactly(20*time.Hour + offset), Every: daily, Do: DoScale, Service: address, Desired: desired, Why: "the day's traffic goes"})
	}
	return steps
}
