//go:build !race

package judgement

const raceDetector = false
