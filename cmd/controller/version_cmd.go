package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// Set when a release is built: -ldflags "-X main.version=v0.1.0 -X main.commit=…".
var version, commit string

// build is what is known of this program's making.
type build struct {
	Version  string `json:"version"`            // release, or "dev"
	Commit   string `json:"commit,omitempty"`   // git revision
	Modified bool   `json:"modified,omitempty"` // built from a changed work tree
	Go       string `json:"goVersion"`
	Platform string `json:"platform"` // os/arch
}

// currentBuild prefers what the release build set over what the toolchain found.
func currentBuild(info *debug.BuildInfo) build {
	b := build{Version: version, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info != nil {
		if b.Version == "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && b.Commit == "":
				b.Commit = s.Value
			case s.Key == "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if b.Version == "" {
		b.Version = "dev"
	}
	return b
}

func (b build) String() string {
	s := "taskwarden " + b.Version
	if b.Commit != "" {
		s += " (" + b.Commit
		if b.Modified {
			s += ", modified"
		}
		s += ")"
	}
	return s + " " + b.Go + " " + b.Platform
}

func newVersionCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			b := currentBuild(info)
			switch a.output {
			case "", "table", "wide":
				_, err := fmt.Fprintln(a.stdout, b)
				return err
			}
			text, err := yaml.MarshalWithOptions(b, yaml.UseJSONMarshaler())
			if err != nil {
				return fmt.Errorf("write the version: %w", err)
			}
			return a.printDocument(text)
		},
	}
}
