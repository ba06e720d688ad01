//go:build windows || plan9 || solaris || aix

package bolt

import "os"

// unlock leaves the lock to the end of the process.
func unlock(*os.File) error { return nil }
