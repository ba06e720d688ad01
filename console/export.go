package console

import (
	"errors"
	"net/http"
	"strings"

	"taskwarden/reconciler/export"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// exportVerb ends the path of a service's export, as operations end theirs; no service's name holds a colon.
const (
	exportVerb = ":export"
	exportPath = servicePath + "{address}" + exportVerb
)

// export answers with the newest plan of a service, in the words of the tool that owns it. It reads what describing the rollout
// shows too, and takes an approver's token as everything does that remediation is operated with (CONTRACT section 2).
func (a *api) export(w http.ResponseWriter, r *http.Request) {
	if _, p := a.approver(r); p != nil {
		deny(w, p)
		return
	}
	q, p := parse(r, []string{"format"})
	src := a.o.Source()
	if p == nil && src == nil {
		p = a.absent()
	}
	var key fleet.Key
	if p == nil {
		key, p = resolve(src, strings.TrimSuffix(r.PathValue("address"), exportVerb))
	}
	if p != nil {
		fail(w, p)
		return
	}
	format := export.Format(q.Get("format"))
	if format == "" {
		format = export.JSON
	}
	found, ok := export.Newest(src.Rollouts(key))
	if !ok {
		fail(w, &problem{status: http.StatusNotFound, Code: "not_found",
			Message: "nothing was planned for " + key.String() + ": a policy of remediation.policies must match it, and remediation.mode be plan or above"})
		return
	}
	body, err := export.Render(found, rollout.Alike(rollout.Groups(src.Rollouts(fleet.Key{})), found), format)
	switch {
	case errors.Is(err, rollout.ErrConflict):
		fail(w, &problem{status: http.StatusConflict, Code: "conflict", Message: err.Error(), Phase: string(found.Phase), Outcome: string(found.Outcome)})
		return
	case err != nil:
		panic(err) // made of plain values
	}
	answerAs(w, http.StatusOK, format.Media(), body)
}

func exportOperation() object {
	contents := object{}
	for _, f := range export.Formats() {
		contents[f.Media()] = object{"schema": object{"type": "string"}}
	}
	contents[export.JSON.Media()] = object{"schema": ref("Export")}
	return object{
		"summary": "The newest plan of a service in the words of the tool that owns it: the policy's variables with the place, and nothing else of the task definition.",
		"parameters": []object{serviceAddress,
			queryParam("format", object{"type": "string", "enum": export.Names(), "default": string(export.JSON)})},
		"responses": object{
			"200": object{"description": "The snippet.", "content": contents},
			"404": response("No such service, or nothing was planned for it.", ref("Failure")),
			"409": response("The address is ambiguous, or the plan holds no change that could be exported as a whole.", ref("Failure")),
		},
	}
}
