// Package account is a simulated AWS account: ECS with a service scheduler that replaces, scales and rolls out, containers
// that live and die by a scenario, CloudWatch Logs, CloudWatch with alarms that are evaluated, and STS. It answers the AWS
// SDK in the services' own wire protocols, over a listener (ServeHTTP) or in process (Transport).
//
// The world is a discrete-event simulation that is advanced lazily: each call first lets everything happen that is due by
// time.Now, in the order of time. It has no clock and no goroutine of its own, so a week passes in milliseconds inside a
// testing/synctest bubble, and equal scenarios with equal seeds give equal worlds.
//
//	call ──→ gates ──→ advance to now ──→ operation ──→ reply
//	                       │
//	                       └ agenda: placements, container deaths, stops, deployments, timeline, alarms
//
// Next to what AWS would say the account knows the truth: Stops tells why each task really stopped. Texts and orders of
// events follow the Amazon ECS developer guide and API reference, and captured events where these are silent.
package account
