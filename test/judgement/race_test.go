//go:build race

package judgement

// raceDetector tells that the tests run some eight times slower.
const raceDetector = true
