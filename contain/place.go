package contain

// Place is the kind of work that panicked: the label `where` of taskwarden_panics_total.
type Place string

// The places. docs/architecture.md (Panics) says what goes on after a panic in each.
const (
	Sweep       Place = "sweep"       // one look at a target, as a whole
	Look        Place = "look"        // reading one cluster
	Intake      Place = "intake"      // taking what a look read into the view
	Pass        Place = "pass"        // judging one service or one target
	Definition  Place = "definition"  // reading one task definition
	Log         Place = "log"         // reading one log tail
	Metrics     Place = "metrics"     // reading a target's CloudWatch metrics
	Alarms      Place = "alarms"      // looking at a target's alarms, and writing them
	Remediation Place = "remediation" // one attempt to reconcile a service's rollout
	Schedule    Place = "schedule"    // a cron job
	Loop        Place = "loop"        // a loop around one of the above
	Controller  Place = "controller"  // one controller as a whole, from its start to its end
	Ownership   Place = "ownership"   // waiting for the store
	Lease       Place = "lease"       // renewing the lease of a shared store
	Commit      Place = "commit"      // committing to a shared store
	Database    Place = "database"    // reading or writing the database file
	Load        Place = "load"        // reading what a store remembers, at a start
	Recording   Place = "recording"   // writing what replay reads
	Reload      Place = "reload"      // watching the configuration
	Listener    Place = "listener"    // accepting connections to the API
	Request     Place = "request"     // answering one request of the API
	Command     Place = "command"     // what a verb other than run does in the background
)

// Places are all of them.
var Places = []Place{
	Sweep, Look, Intake, Pass, Definition, Log, Metrics, Alarms, Remediation, Schedule, Loop,
	Controller, Ownership, Lease, Commit, Database, Load, Recording, Reload, Listener, Request, Command,
}
