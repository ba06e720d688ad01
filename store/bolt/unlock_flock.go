//go:build !windows && !plan9 && !solaris && !aix

package bolt

import (
	"os"
	"syscall"
)

// unlock ends the file lock that bbolt took. Closing the file alone would not:
// the memory map keeps it open.
func unlock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
