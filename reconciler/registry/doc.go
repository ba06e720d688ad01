// Package registry asks image registries what tags mean now: private registries of Amazon ECR through package cloud, with the
// target's credentials, and every other registry anonymously by the OCI distribution protocol.
//
// Image names come from task definitions, so from whoever may register one. An anonymous registry is asked by https alone, at
// public addresses alone, also where it redirects to or where it has tokens fetched from; no credentials are ever sent; time, bytes and the number of questions are
// bounded. What cannot be asked is an error, and an image without an answer is not known to stay.
package registry
