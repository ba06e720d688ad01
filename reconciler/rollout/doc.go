// Package rollout decides how a fix reaches production, and whether it may.
package rollout
