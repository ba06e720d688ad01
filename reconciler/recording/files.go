package recording

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// kept is how many files there are at most: FILE is the newest, FILE.1 the one before, up to FILE.3.
const kept = 4

// Files opens FILE for a Writer, again and again: the recordings before are moved to FILE.1, FILE.2 and FILE.3, and the
// one that was FILE.3 goes. Only recordings are ever moved or removed. Files are readable to their owner alone.
func Files(path string) func() (io.WriteCloser, error) {
	return func() (io.WriteCloser, error) {
		for n := kept - 1; n > 0; n-- {
			if err := move(numbered(path, n-1), numbered(path, n)); err != nil {
				return nil, err
			}
		}
		return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
}

func numbered(path string, n int) string {
	if n == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, n)
}

// move replaces to by from, if there is a from. Both must be recordings.
func move(from, to string) error {
	for _, path := range []string{from, to} {
		err := isRecording(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && path == from:
			return nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return os.Rename(from, to)
}

// isRecording is nil for a file that begins as a recording does, and for an empty one.
func isRecording(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 64)
	gz, err := gzip.NewReader(f)
	n := 0
	switch {
	case errors.Is(err, io.EOF):
		return nil // nothing was written
	case err == nil:
		n, err = io.ReadFull(gz, head)
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || n > 0 && !strings.Contains(string(head[:n]), `"recording":`) {
		return fmt.Errorf("%s is there and is no recording: choose another file, or remove it", path)
	}
	return nil
}
