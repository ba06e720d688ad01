// Package judgement measures the judging: fleets with known truth live for weeks of simulated time, what AWS would show of
// them goes straight to reconciler.Decide, and what was found is scored against what was true.
//
//	World, spec, fault      who is in the fleet and what happens to it, all drawn from a seed
//	life                    one service's tasks, deployments and deaths, event by event; each stop leaves its Stop, the truth
//	Watch                   the controller's looks at it: every five minutes, partial, lost, restarted
//	churning, crashing      the truth of a service over time, by CONTRACT section 3 and the true stops alone
//	Score                   episodes found and missed, stops judged right and wrong
//
// Nothing that decides is asked for the truth. docs/judgement.md has the figures and what the world assumes.
package judgement
