package account

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// service is an ECS service with the tasks that have not stopped yet.
type service struct {
	account *Account
	cluster *cluster
	Service // as the scenario has it; the desired count and the models change over time

	arn         string
	minHealthy  int           // percent
	maximum     int           // percent
	deployments []*deployment // PRIMARY first, then the ones being replaced
	history     []*deployment // every deployment ever, oldest first
	tasks       []*task       // not STOPPED, oldest first
	events      []event       // newest first, at most 100
	created     time.Time
	wakeAt      time.Time // the next look that is already put down
	steady      bool
	failures    int       // consecutive tasks that never reached RUNNING
	notBefore   time.Time // start throttling: no task is started before
}

// event is a service event.
type event struct {
	id, message string
	at          time.Time
}

// eventsShown is how many events DescribeServices shows (API reference, type Service).
const eventsShown = 100

// settle makes a service that has been deployed for a while and runs as it should.
func (a *Account) settle(c *cluster, v Service) error {
	s := &service{
		account: a, cluster: c, Service: v, arn: a.arn("ecs", "service/"+c.name+"/"+v.Name),
		minHealthy: 100, maximum: 200, created: a.now.Add(-90 * 24 * time.Hour), steady: true,
	}
	if v.MinimumHealthyPercent != nil {
		s.minHealthy = *v.MinimumHealthyPercent
	}
	if v.MaximumPercent != nil {
		s.maximum = *v.MaximumPercent
	}
	if s.Launch == "" && s.CapacityProvider == "" {
		s.Launch = "FARGATE"
	}
	def, err := a.register(a.registration(v.TaskDefinition), cmp.Or(v.TaskDefinition.RegisteredBy, a.deployer()))
	if err != nil {
		return err
	}
	deployed := a.now.Add(-7 * 24 * time.Hour)
	def.registered = deployed.Add(-time.Minute)
	d := s.newDeployment(def)
	d.created, d.updated, d.finished = deployed, deployed.Add(3*time.Minute), deployed.Add(3*time.Minute)
	d.complete()
	s.deployments, s.history = []*deployment{d}, []*deployment{d}
	c.services = append(c.services, s)
	for range v.Desired {
		s.adopt(d)
	}
	s.say("has reached a steady state.")
	s.remindSteady()
	return nil
}

// deployer is who registers and deploys where the scenario names nobody.
func (a *Account) deployer() string {
	return "arn:aws:sts::" + a.accountID + ":assumed-role/deploy/ci"
}

// say adds a service event.
func (s *service) say(format string, args ...any) {
	e := event{s.account.uuid(), "(service " + s.Name + ") " + fmt.Sprintf(format, args...), s.account.now}
	s.events = slices.Insert(s.events, 0, e)
	if len(s.events) > eventsShown {
		s.events = s.events[:eventsShown]
	}
}

// remindSteady repeats the steady state event every six hours, as ECS does while nothing changes.
func (s *service) remindSteady() {
	s.account.after(Exactly(6*time.Hour), func() {
		if s.steady {
			s.say("has reached a steady state.")
		}
		s.remindSteady()
	})
}

// wake puts down the scheduler's next look, unless one is coming already.
func (s *service) wake() {
	a := s.account
	if !s.wakeAt.IsZero() {
		return
	}
	s.wakeAt = a.now.Add(a.draw(a.timing.Schedule))
	a.agenda.put(s.wakeAt, func() {
		s.wakeAt = time.Time{}
		s.reconcile()
	})
}

// primary is the deployment that the service is on or moves to.
func (s *service) primary() *deployment { return s.deployments[0] }

// count counts tasks.
func (s *service) count(match func(*task) bool) int {
	n := 0
	for _, t := range s.tasks {
		if match(t) {
			n++
		}
	}
	return n
}

func (s *service) narrate(kind, format string, args ...any) {
	s.account.emit(Event{Kind: kind, Cluster: s.cluster.name, Service: s.Name, Text: fmt.Sprintf(format, args...)})
}
