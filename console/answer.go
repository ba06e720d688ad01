package console

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// problem is an answer that is not the one asked for. Its JSON is {"error":{"code","message"}}, with the matches of an
// ambiguous address, and the present phase of a rollout that is past what was asked.
type problem struct {
	status  int
	Code    string   `json:"code" jsonschema_description:"A stable code, snake_case."`
	Message string   `json:"message" jsonschema_description:"One sentence with the remedy."`
	Matches []string `json:"matches,omitempty" jsonschema_description:"The addresses that an ambiguous one could mean."`
	Phase   string   `json:"phase,omitempty" jsonschema_description:"Where the rollout stands, whose state did not allow what was asked."`
	Outcome string   `json:"outcome,omitempty" jsonschema_description:"How that rollout ended; left out: it is on its way."`
	allow   string   // methods, where the status is 405
}

func (p *problem) Error() string { return p.Message }

// failure is the body of every answer that is not the one asked for.
type failure struct {
	Error *problem `json:"error"`
}

func badRequest(message string) *problem {
	return &problem{status: http.StatusBadRequest, Code: "bad_request", Message: message}
}

func noSuchPath(path string) *problem {
	return &problem{status: http.StatusNotFound, Code: "not_found", Message: "no such path: " + path + "; see " + openapiPath}
}

// absent is why there is no controller to ask.
func (a *api) absent() *problem {
	if a.o.Standby != nil {
		if text := a.o.Standby(); text != "" {
			return &problem{status: http.StatusServiceUnavailable, Code: "standby", Message: text + ": ask that replica"}
		}
	}
	message := "the controller is starting"
	if a.o.Starting != nil {
		if text := a.o.Starting(); text != "" {
			message += ": " + text
		}
	}
	return &problem{status: http.StatusServiceUnavailable, Code: "starting", Message: message + ": ask again in a moment"}
}

func fail(w http.ResponseWriter, p *problem) { answer(w, p.status, failure{p}) }

// answer writes a value as JSON. All values written here can be encoded; one that cannot is a defect and panics.
func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	answerBytes(w, status, append(body, '\n'))
}

func answerBytes(w http.ResponseWriter, status int, body []byte) {
	answerAs(w, status, "application/json", body)
}

func answerAs(w http.ResponseWriter, status int, media string, body []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body))) // also for HEAD, whose body is not sent
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away needs no answer
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

// Readiness is the body of /readyz: ready once one target has a complete view younger than 3 × its effective resync.
type Readiness struct {
	Ready   bool          `json:"ready" jsonschema_description:"At least one target is ready."`
	Targets []TargetState `json:"targets" jsonschema_description:"Each target's state, in the configured order."`
	Message string        `json:"message,omitempty" jsonschema_description:"Why no controller runs here; left out where one does."`
}

// readyz never asks for a token, so it leaves out what troubles a target: that may name accounts and roles.
func (a *api) readyz(w http.ResponseWriter, _ *http.Request) {
	out := Readiness{Targets: []TargetState{}}
	if src := a.o.Source(); src != nil {
		for _, t := range src.Targets() {
			out.Ready = out.Ready || t.Ready
			out.Targets = append(out.Targets, stateOf(t))
		}
	} else {
		out.Message = a.absent().Message
	}
	status := http.StatusOK
	if !out.Ready {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, out)
}

// oneOf words a choice.
func oneOf(values []string) string { return strings.Join(values, ", ") }
