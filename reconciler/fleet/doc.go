// Package fleet holds what AWS said: services, tasks, reduced task definitions, and how complete the look was.
//
// It is the bottom of the house: it knows nothing of what is concluded from the facts. Values come from the AWS SDK
// (package cloud maps them) or from JSON (the API's, the CLI's and EventBridge's spelling; parse.go). Enum values and
// texts are kept as AWS sent them: an unknown one is data, never an error.
package fleet
