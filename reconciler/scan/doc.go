// Package scan puts together what AWS still tells of a service's past, in one look.
//
// Stopped tasks are visible for about an hour, and a task that dies of a slow race dies hours apart. So a scan asks what
// lasts longer: the age of running tasks, the newest hundred service events, the log streams of tasks that are gone, and
// ninety days of service deployments. Wants says what to read next, Judge what it means; both are pure, and package cloud
// makes the calls in between. Each row says from which source it came and how far that source reached; a source that was
// denied shortens the reach and changes nothing else. Not seeing a death is "unknown" unless the reach proves more.
package scan
