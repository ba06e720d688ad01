package fleet

// PrivateImage is an image by tag in a private registry of Amazon ECR.
type PrivateImage struct {
	Account    string // the registry's id
	Region     string
	Repository string
	Tag        string
}
