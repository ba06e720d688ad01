// Package rollout decides how a corrected setting reaches a service, whether it may, whether it helped, and how it is taken
// back. It is pure: values in, values out, `now` a value; what it wants done comes out as steps, and what became of them
// comes back in as answers.
//
//	           approve / auto        brakes let it start          revision known              deployment complete
//	proposed ───────────────► approved ───────────────► registering ───────────► rolling ───────────────► soaking ──► succeeded
//	   │ reject: rejected        │                          │                       │                        │ └───► inconclusive
//	   │ planTTL: expired        │ reject, planTTL          │ refused, failed       │ deadline, FAILED,      │ worse, rollback
//	   ▼                         ▼                          ▼                       ▼ rollback               ▼
//	 (end)                     (end)                 nothing registered? end;   rolling_back ──► rolled_back, failed, superseded, …
//	                                                 else rolling_back            (old revision back, good content newest)
//
// Make plans one policy for one service; Propose keeps one rollout for each plan; Advance is the only place where phases
// change; Verify judges lifetimes. Every phase has a deadline and a way out, and a Rollout is one JSON value: whoever reads
// it after a crash goes on where it stood.
package rollout
