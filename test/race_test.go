//go:build race

package test

// raceDetector tells that the tests run some five times slower.
const raceDetector = true
