// Package taskwarden carries the files that ship inside the binary.
package taskwarden

import _ "embed"

// DefaultConfig is the commented configuration that ships with the product:
// what `run` uses when no other is named and what `config init` prints.
//
//go:embed config.yaml
var DefaultConfig []byte
