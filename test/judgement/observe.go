package judgement

import (
	"maps"
	"slices"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

// view is what the controller's view knows of one service: a partial look replaces only what it showed.
type view struct {
	dice    dice
	service fleet.Service
	tasks   []fleet.Task
}

// observe takes a look into the view and gives what is to be judged.
func (v *view) observe(l *life, at look) fleet.Observation {
	shown := l.show(at, v.dice)
	o := fleet.Observation{Key: l.key, Seen: fleet.Seen{At: at.at, Complete: at.kind == whole}, Definitions: l.definitions}
	if at.kind != blank {
		v.service = l.service()
	}
	if at.kind != whole {
		for _, t := range v.tasks {
			if !slices.ContainsFunc(shown, func(s fleet.Task) bool { return s.ARN == t.ARN }) {
				shown = append(shown, t)
			}
		}
	}
	v.tasks = shown
	o.Service, o.Tasks = v.service, v.tasks
	return o
}

// show is the tasks that AWS shows at a look. The truth notes when each stop was first shown.
func (l *life) show(at look, d dice) []fleet.Task {
	l.tasks = slices.DeleteFunc(l.tasks, func(t *task) bool {
		return t.Stopped() && at.at.Sub(t.StoppedAt) >= visible
	})
	var out []fleet.Task
	for _, t := range l.tasks {
		if at.kind == blank || at.kind == partly && d.chance(0.3) {
			continue
		}
		if t.Stopped() && t.truth.Seen.IsZero() {
			t.truth.Seen = at.at
		}
		out = append(out, t.Task)
		out[len(out)-1].Containers = slices.Clone(t.Containers)
	}
	return out
}

func (l *life) service() fleet.Service {
	s := fleet.Service{
		ARN: arns + "service/" + l.key.Cluster + "/" + l.key.Service, Name: l.key.Service, ClusterARN: arns + "cluster/" + l.key.Cluster,
		Status: "ACTIVE", SchedulingStrategy: "REPLICA", LaunchType: "FARGATE", Controller: "ECS", CreatedAt: epoch,
		TaskDefinition: l.definitionARN(l.primary().revision), Desired: l.desired,
	}
	if l.daemon {
		s.SchedulingStrategy = "DAEMON"
	}
	if l.ec2 {
		s.LaunchType = "EC2"
	}
	for i, d := range l.deployments {
		out := fleet.Deployment{ID: d.id, Status: "ACTIVE", TaskDefinition: l.definitionARN(d.revision), RolloutState: d.rollout, RolloutReason: d.reason,
			Failed: d.failed, CreatedAt: d.created, UpdatedAt: d.updated}
		if i == 0 {
			out.Status, out.Desired = "PRIMARY", l.desired
		}
		for _, t := range l.tasks {
			switch {
			case t.dep != d || t.Stopped():
			case t.LastStatus == fleet.StatusRunning:
				out.Running++
			case !t.stopping:
				out.Pending++
			}
		}
		s.Running, s.Pending = s.Running+out.Running, s.Pending+out.Pending
		s.Deployments = append(s.Deployments, out)
	}
	return s
}

// tail notes the last lines of a container that dies, as awslogs would hold them: some are lost, some are cut.
func (l *life) tail(t *task, f *fault) {
	if len(f.tail) == 0 || l.rng.chance(0.05) {
		return
	}
	lines := []string{"2026-11-05T04:10:01Z INFO listening on :8080", "2026-11-05T04:10:31Z INFO GET /health 200"}
	lines = append(lines, f.tail...)
	if l.rng.chance(0.05) {
		lines = lines[:len(lines)-1]
	}
	if l.tails == nil {
		l.tails = map[string][]string{}
	}
	l.tails["ecs/"+f.container+"/"+t.ID()] = lines
}

// logs answers what a judgement asked for, beside what was there.
func (l *life) logs(wants []churn.Want, was map[fleet.LogRef]fleet.Tail) map[fleet.LogRef]fleet.Tail {
	out := map[fleet.LogRef]fleet.Tail{}
	maps.Copy(out, was)
	for _, w := range wants {
		lines, ok := l.tails[w.Ref.Stream]
		out[w.Ref] = fleet.Tail{Lines: lines}
		if !ok {
			out[w.Ref] = fleet.Tail{Missing: "the log stream does not exist"}
		}
	}
	return out
}
