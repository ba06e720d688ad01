package console

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"taskwarden/reconciler/export"
)

// object is a JSON object of the document.
type object = map[string]any

// document is the OpenAPI 3.1 description of everything served here, made from the same tables and types that serve it.
func document(version string) []byte {
	paths := object{
		"/healthz":                object{"get": plain("The process can answer.", "200")},
		"/readyz":                 object{"get": readyOperation()},
		"/metrics":                object{"get": textOperation("Prometheus metrics of the process and the controller.")},
		"/":                       object{"get": textOperation("A list of what is here.")},
		openapiPath:               object{"get": guarded(plain("This document.", "200"))},
		servicePath + "{address}": object{"get": guarded(serviceOperation())},
		exportPath:                object{"get": guardedWrite(exportOperation())},
		rolloutPath + "{id}":      object{"get": guarded(rolloutOperation())},
	}
	schemas := object{"Failure": schema(failure{}), "Readiness": schema(Readiness{}), "ServiceDetail": schema(ServiceDetail{}),
		"RolloutDetail": schema(RolloutDetail{}), "Done": schema(Done{}), "Export": schema(export.Document{})}
	for _, l := range lists {
		name := reflect.TypeOf(l.item).Name()
		schemas[name] = schema(l.item)
		paths[l.path] = object{"get": guarded(listOperation(l, name))}
	}
	for _, o := range operations {
		paths[apiPath+o.path] = object{"post": guardedWrite(o.describe())}
	}
	out, err := json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{"title": "taskwarden", "version": version, "summary": "What a running taskwarden controller sees and concluded, and what people may tell it.",
			"license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"}},
		"servers": []object{{"url": "/"}},
		"paths":   paths,
		"components": object{
			"schemas": schemas,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer",
				"description": "One of server.tokens; of role approver for what changes something. Without any configured, connections on a loopback address may read."}},
		},
	}, "", "  ")
	if err != nil {
		panic(err) // made of plain maps and strings
	}
	return append(out, '\n')
}

// schema is the JSON Schema of a type, without references. Readers must accept fields that a later version adds.
func schema(v any) *jsonschema.Schema {
	r := jsonschema.Reflector{DoNotReference: true, AllowAdditionalProperties: true, Anonymous: true}
	s := r.Reflect(v)
	s.Version = "" // the document's own dialect holds
	return s
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func content(media string, s object) object { return object{media: object{"schema": s}} }

func response(about string, s object) object {
	return object{"description": about, "content": content("application/json", s)}
}

func plain(about, status string) object {
	return object{"summary": about, "responses": object{status: response("OK", object{"type": "object"})}}
}

func textOperation(about string) object {
	return object{"summary": about, "responses": object{"200": object{"description": "OK", "content": content("text/plain", object{"type": "string"})}}}
}

func readyOperation() object {
	return object{"summary": "Whether one target has a complete view younger than 3 × its effective resync.", "responses": object{
		"200": response("At least one target is ready.", ref("Readiness")), "503": response("None is.", ref("Readiness"))}}
}

func serviceOperation() object {
	return object{
		"summary":    "One service: deployments, tasks, open findings and newest stops.",
		"parameters": []object{serviceAddress},
		"responses": object{
			"200": response("The service.", ref("ServiceDetail")),
			"404": response("No such service.", ref("Failure")),
			"409": response("The address is ambiguous; the matches are listed.", ref("Failure")),
		},
	}
}

var (
	rolloutID      = object{"name": "id", "in": "path", "required": true, "schema": object{"type": "string"}, "description": "Id of the rollout."}
	serviceAddress = object{"name": "address", "in": "path", "required": true, "schema": object{"type": "string"},
		"description": "[target/]cluster/service, service alone where unique, or the service's ARN; slashes may stand as they are."}
)

func rolloutOperation() object {
	return object{"summary": "One plan, what is expected of it, and what became of it.", "parameters": []object{rolloutID},
		"responses": object{"200": response("The rollout.", ref("RolloutDetail")), "404": response("No such rollout.", ref("Failure"))}}
}

// describe is the operation in the document.
func (o operation) describe() object {
	fields, required := object{}, []string{}
	for _, name := range o.takes {
		fields[name] = object{"type": "string", "maxLength": wordLimit, "description": sayings[name]}
		if name == "hash" {
			required = append(required, name)
		}
	}
	out := object{
		"summary":     o.about,
		"requestBody": object{"content": content("application/json", object{"type": "object", "properties": fields, "required": required, "additionalProperties": false})},
		"responses": object{
			"200": response("Done, and durable.", ref(o.shows)),
			"404": response("No such rollout, service or target.", ref("Failure")),
			"409": response("It does not stand where that may be done: nothing was changed. For a rollout, with its present phase.", ref("Failure")),
		},
	}
	switch {
	case strings.Contains(o.path, "{id}"):
		out["parameters"] = []object{rolloutID}
	case strings.Contains(o.path, "{address}"):
		out["parameters"] = []object{serviceAddress}
	}
	return out
}

// guardedWrite adds what every operation has: an approver's token, and the answers that are not the one asked for.
func guardedWrite(op object) object {
	op = guarded(op)
	op["security"] = []object{{"token": []string{}}}
	return op
}

func listOperation(l list, item string) object {
	var ps []object
	for _, name := range l.params {
		ps = append(ps, queryParam(name, paramSchema(name)))
	}
	answered := object{"type": "object", "required": []string{"items"}, "properties": object{
		"items": object{"type": "array", "items": ref(item)},
		"next":  object{"type": "string", "description": "Ask with it for the following items; left out at the end."},
	}}
	out := object{"summary": l.about, "parameters": ps, "responses": object{"200": response("A page.", answered)}}
	return out
}

func paramSchema(name string) object {
	p := params[name]
	switch {
	case name == "limit":
		return object{"type": "integer", "minimum": 1, "maximum": maxLimit, "default": defaultLimit}
	case len(p.enum) > 0:
		return object{"type": "string", "enum": p.enum}
	}
	return object{"type": "string"}
}

// queryParam is one query parameter. An empty value is the same as leaving the parameter out.
func queryParam(name string, schema object) object {
	return object{"name": name, "in": "query", "description": params[name].about, "allowEmptyValue": true, "schema": schema}
}

// guarded adds what every path under /api/v1 has: the token, and the answers that are not the one asked for.
func guarded(op object) object {
	op["security"] = []object{{"token": []string{}}, {}}
	op["responses"].(object)["default"] = response("Anything else: what was wrong, and the remedy.", ref("Failure"))
	return op
}
