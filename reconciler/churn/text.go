package churn

import (
	"taskwarden/reconciler/mask"
	"taskwarden/reconciler/regex"
)

// maxLine bounds a shown log line or evidence text, in bytes.
const maxLine = mask.MaxLine

// Mask is mask.Line: every text of this package that a program or a person wrote passes it.
func Mask(line string) string { return mask.Line(line) }

// re compiles an expression of this package.
func re(s string) regex.Expression { return regex.Must(s) }
