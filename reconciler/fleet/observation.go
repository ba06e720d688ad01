package fleet

import (
	"cmp"
	"time"
)

// Seen says when a look began and whether it was whole. Only a complete one allows "gone" or "healthy".
type Seen struct {
	At       time.Time // when the look began; what was true then may have changed since
	Complete bool      // every page and every batch of the scope was read without an error
}

// Observation is everything known about one service when it is judged.
type Observation struct {
	Key
	Seen
	Gone        bool // a complete look at the cluster did not find the service
	Service     Service
	Tasks       []Task                // running ones, and the stopped ones that AWS still shows
	Definitions map[string]Definition // by ARN; those fetched so far
	Logs        map[LogRef]Tail       // what earlier judgements asked for
	Metrics     Metrics               // as last read, behind the looks
}

// Cluster is what one sweep saw of one cluster.
type Cluster struct {
	ARN      string
	Name     string
	Seen     Seen
	Err      error // why it is not complete; what was read before is still here
	Services []Service
	Tasks    []Task
}

// Sweep is the outcome of one look at a target.
type Sweep struct {
	Seen
	Clusters []string // names of all clusters watched; whole only if ListClusters was
	Calls    int      // API calls it took, retries included
	Took     time.Duration
	Floor    time.Duration // the shortest interval at which the budget allows such a look to be repeated
	Err      error         // the first reason why it is not complete
}

// LogRef is one log stream.
type LogRef struct {
	Region string // "": the target's own
	Group  string
	Stream string
}

// Compare orders references by region, group and stream.
func (r LogRef) Compare(o LogRef) int {
	return cmp.Or(cmp.Compare(r.Region, o.Region), cmp.Compare(r.Group, o.Group), cmp.Compare(r.Stream, o.Stream))
}

// Tail is the last lines of a stream, oldest first, or why there are none.
type Tail struct {
	Lines   []string
	Missing string // reason for having none: stream not found, denied (with the action), …
}

// LogOf says where the container of the task writes its log with the awslogs driver (stream prefix/container/task id;
// Amazon ECS guide, "Send Amazon ECS logs to CloudWatch"), or why that cannot be told.
func LogOf(t Task, c ContainerDefinition) (LogRef, string) {
	switch c.LogDriver {
	case "awslogs":
	case "":
		return LogRef{}, "container " + c.Name + " has no log configuration"
	default:
		return LogRef{}, "container " + c.Name + " logs through " + c.LogDriver + ", not CloudWatch Logs"
	}
	ref := LogRef{Region: c.LogOptions["awslogs-region"], Group: c.LogOptions["awslogs-group"]}
	if prefix := c.LogOptions["awslogs-stream-prefix"]; prefix != "" {
		ref.Stream = prefix + "/" + c.Name + "/" + t.ID()
	} else if in, ok := t.Container(c.Name); ok {
		ref.Stream = in.RuntimeID // without a prefix the stream is the docker id, on EC2 only
	}
	if ref.Group == "" || ref.Stream == "" {
		return LogRef{}, "container " + c.Name + " names no log group or stream"
	}
	return ref, ""
}
