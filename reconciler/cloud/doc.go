// Package cloud makes every AWS call of the product, and no other package makes one.
//
// An Account is one AWS account and region seen through one set of credentials. What it may call is one table
// (operations.go): a call that is not in it, or whose class the caller did not allow, is refused before anything is
// sent. Each attempt, a retry too, first takes a token from the budget of its bucket, so that this product is never the
// reason why a deployment is throttled. Answers are reduced page by page to the values of package fleet and alarm;
// failures leave as *fleet.Fault, which names the IAM action to allow where one is missing.
//
// The package concludes nothing. What could not be read is told as incomplete, never as gone.
package cloud
