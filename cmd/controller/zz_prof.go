package main

import (
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

func init() {
	if f := os.Getenv("TW_PROF"); f != "" {
		go func() {
			time.Sleep(75 * time.Second)
			runtime.GC()
			w, _ := os.Create(f)
			pprof.WriteHeapProfile(w)
			w.Close()
		}()
	}
}
