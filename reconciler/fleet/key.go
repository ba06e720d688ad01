package fleet

import (
	"cmp"
	"strings"
)

// Key names one service of one target. For what concerns a whole target or cluster the later parts are empty.
type Key struct {
	Target  string // the configured target's name; "default" for the ambient account and region
	Cluster string // cluster name, without the ARN's head
	Service string // service name, without the ARN's head
}

// String is the address users type: target/cluster/service, without empty trailing parts.
func (k Key) String() string {
	return strings.TrimRight(k.Target+"/"+k.Cluster+"/"+k.Service, "/")
}

// Compare orders keys by target, cluster and service.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Target, o.Target), cmp.Compare(k.Cluster, o.Cluster), cmp.Compare(k.Service, o.Service))
}

// ParseKey reads what String wrote. Missing trailing parts are empty.
func ParseKey(s string) Key {
	var k Key
	k.Target, s, _ = strings.Cut(s, "/")
	k.Cluster, k.Service, _ = strings.Cut(s, "/")
	return k
}

// NameOf is the last part of an ARN or path: the cluster of a cluster ARN, the service of a service ARN, the id of a
// task ARN, family:revision of a task definition ARN. A plain name is returned as it is.
func NameOf(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// AccountOf is the account id of an ARN, or "" if s is none.
func AccountOf(arn string) string { return arnPart(arn, 4) }

// RegionOf is the region of an ARN, or "" if s is none.
func RegionOf(arn string) string { return arnPart(arn, 3) }

// ResourceOf is the resource of an ARN, as targetgroup/name/id, or "" if s is none.
func ResourceOf(arn string) string { return arnPart(arn, 5) }

func arnPart(arn string, i int) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return ""
	}
	return parts[i]
}
