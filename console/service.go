package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// How many of a service's stops and rollouts are shown where one service is described.
const (
	recentStops    = 20
	recentRollouts = 5
)

// Service is one service as last judged.
type Service struct {
	Place
	ServiceARN     string     `json:"serviceArn,omitempty" jsonschema_description:"ARN of the service."`
	Status         string     `json:"status,omitempty" jsonschema_description:"ECS's status, as ACTIVE."`
	Desired        int        `json:"desired" jsonschema_description:"Tasks wanted."`
	Running        int        `json:"running" jsonschema_description:"Tasks that run."`
	Pending        int        `json:"pending" jsonschema_description:"Tasks that start."`
	TaskDefinition string     `json:"taskDefinition,omitempty" jsonschema_description:"ARN of the wanted task definition."`
	Deploying      bool       `json:"deploying" jsonschema_description:"A deployment is under way."`
	Complete       bool       `json:"complete" jsonschema_description:"The last look at the cluster was whole; otherwise nothing is concluded from what is missing."`
	SeenAt         *time.Time `json:"seenAt,omitempty" jsonschema_description:"When that look began."`
	Reason         string     `json:"reason" jsonschema_description:"The gravest open finding's type, or Quiet, PartialView, Gone, NotInView."`
	Message        string     `json:"message" jsonschema_description:"The same in words."`
	Findings       []string   `json:"findings" jsonschema_description:"Types of the open findings."`
	UnplannedStops int        `json:"unplannedStops" jsonschema_description:"Unplanned stops in the detection window."`
}

func serviceOf(r reconciler.ServiceReport) Service {
	s := r.Service
	out := Service{
		Place: placeOf(r.Key), ServiceARN: s.ARN, Status: s.Status, Desired: s.Desired, Running: s.Running, Pending: s.Pending,
		TaskDefinition: s.TaskDefinition, Deploying: s.Deploying(), Complete: r.Complete, SeenAt: moment(r.At),
		Reason: r.Reason, Message: r.Message, Findings: typesOf(r.Findings), UnplannedStops: r.Stops,
	}
	return out
}

func typesOf(findings []finding.Finding) []string {
	out := []string{}
	for _, f := range findings {
		if f.Open() && !slices.Contains(out, f.Type) {
			out = append(out, f.Type)
		}
	}
	return out
}

// ServiceDetail is all that is known of one service.
type ServiceDetail struct {
	Service
	Deployments  []Deployment `json:"deployments" jsonschema_description:"As DescribeServices lists them."`
	Tasks        []Task       `json:"tasks" jsonschema_description:"Tasks in view that have not stopped."`
	OpenFindings []Finding    `json:"openFindings" jsonschema_description:"The findings that are open or unknown."`
	Coverage     []Told       `json:"coverage" jsonschema_description:"For each way in which the service can fail, whether an alarm tells of it; empty before the alarms were read."`
	Rollouts     []Rollout    `json:"rollouts" jsonschema_description:"The newest plans and what became of them, refusals too, newest first."`
	Stops        []Stop       `json:"stops" jsonschema_description:"The newest recorded stops, newest first."`
}

// Told reports whether an alarm notifies of one failure of a service.
type Told struct {
	Failure string `json:"failure" jsonschema_description:"As silent-churn, no-running-task or unhealthy-targets."`
	Tells   string `json:"tells" jsonschema:"enum=yes,enum=no,enum=unknown" jsonschema_description:"Whether some alarm would tell, and reach somebody."`
	Alarm   string `json:"alarm,omitempty" jsonschema_description:"The alarm that tells, or that comes nearest."`
	Why     string `json:"why" jsonschema_description:"Why."`
}

func toldOf(all []alarm.Cover) []Told {
	out := []Told{}
	for _, c := range all {
		out = append(out, Told{string(c.Failure), string(c.Tells), c.Alarm, c.Why})
	}
	return out
}

// Deployment is one deployment of a service.
type Deployment struct {
	ID             string     `json:"id" jsonschema_description:"ecs-svc/…; tasks carry it as startedBy."`
	Status         string     `json:"status" jsonschema_description:"PRIMARY, ACTIVE or INACTIVE."`
	TaskDefinition string     `json:"taskDefinition" jsonschema_description:"ARN of the task definition."`
	RolloutState   string     `json:"rolloutState,omitempty" jsonschema_description:"IN_PROGRESS, COMPLETED or FAILED."`
	Desired        int        `json:"desired" jsonschema_description:"Tasks wanted."`
	Running        int        `json:"running" jsonschema_description:"Tasks that run."`
	Pending        int        `json:"pending" jsonschema_description:"Tasks that start."`
	Failed         int        `json:"failed" jsonschema_description:"Tasks that failed to start."`
	CreatedAt      *time.Time `json:"createdAt,omitempty" jsonschema_description:"When it began."`
}

// Task is one task that has not stopped.
type Task struct {
	TaskARN        string      `json:"taskArn" jsonschema_description:"ARN of the task."`
	TaskDefinition string      `json:"taskDefinition" jsonschema_description:"ARN of the task definition."`
	LastStatus     string      `json:"lastStatus" jsonschema_description:"As RUNNING."`
	Health         string      `json:"health,omitempty" jsonschema_description:"As HEALTHY."`
	StartedAt      *time.Time  `json:"startedAt,omitempty" jsonschema_description:"When it reached RUNNING."`
	Containers     []Container `json:"containers" jsonschema_description:"Its containers, injected ones included."`
}

// Container is one container of a task.
type Container struct {
	Name       string `json:"name" jsonschema_description:"Container name."`
	Image      string `json:"image,omitempty" jsonschema_description:"Image."`
	LastStatus string `json:"lastStatus" jsonschema_description:"As RUNNING or STOPPED."`
	Health     string `json:"health,omitempty" jsonschema_description:"As HEALTHY."`
	ExitCode   *int   `json:"exitCode,omitempty" jsonschema_description:"Once it ended."`
	Reason     string `json:"reason,omitempty" jsonschema_description:"AWS's own text."`
}

// service answers for one service. One that is no longer in view is still described by what was recorded of it.
func (a *api) service(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.PathValue("address"), exportVerb) {
		a.export(w, r)
		return
	}
	src := a.o.Source()
	if src == nil {
		fail(w, a.absent())
		return
	}
	if _, p := parse(r, nil); p != nil {
		fail(w, p)
		return
	}
	key, p := resolve(src, r.PathValue("address"))
	if p != nil {
		fail(w, p)
		return
	}
	answer(w, http.StatusOK, detailOf(src, key))
}

func detailOf(src Source, key fleet.Key) ServiceDetail {
	d := ServiceDetail{Deployments: []Deployment{}, Tasks: []Task{}, OpenFindings: []Finding{}, Coverage: toldOf(src.CoverOf(key)), Rollouts: []Rollout{}, Stops: []Stop{}}
	d.Service = Service{Place: placeOf(key), Findings: []string{}, Reason: "NotInView",
		Message: "no service of this address is in view: what is listed was recorded earlier"}
	if s, ok := src.Service(key); ok {
		d.Service = serviceOf(s)
		d.Deployments, d.Tasks = deploymentsOf(s.Service), tasksOf(s.Tasks)
	}
	for _, f := range identify(src) {
		if f.Key == key && f.Open() {
			d.OpenFindings = append(d.OpenFindings, heardOf(src, f.Finding, f.cause))
		}
	}
	of := src.Rollouts(key)
	for _, r := range of[:min(len(of), recentRollouts)] {
		d.Rollouts = append(d.Rollouts, rolloutOf(r))
	}
	stops := src.Stops(key)
	for _, s := range stops[:min(len(stops), recentStops)] {
		d.Stops = append(d.Stops, stopOf(s))
	}
	return d
}

func deploymentsOf(s fleet.Service) []Deployment {
	out := []Deployment{}
	for _, d := range s.Deployments {
		out = append(out, Deployment{ID: d.ID, Status: d.Status, TaskDefinition: d.TaskDefinition, RolloutState: d.RolloutState,
			Desired: d.Desired, Running: d.Running, Pending: d.Pending, Failed: d.Failed, CreatedAt: moment(d.CreatedAt)})
	}
	return out
}

func tasksOf(tasks []fleet.Task) []Task {
	out := []Task{}
	for _, t := range tasks {
		if t.Stopped() {
			continue
		}
		task := Task{TaskARN: t.ARN, TaskDefinition: t.TaskDefinition, LastStatus: t.LastStatus, Health: t.Health,
			StartedAt: moment(t.StartedAt), Containers: []Container{}}
		for _, c := range t.Containers {
			task.Containers = append(task.Containers, Container{Name: c.Name, Image: c.Image, LastStatus: c.LastStatus,
				Health: c.Health, ExitCode: c.ExitCode, Reason: c.Reason})
		}
		out = append(out, task)
	}
	return out
}
