package judgement

import (
	"math"
	"math/rand/v2"
	"time"
)

// dice draws everything that is drawn in a world. Equal seeds and streams draw the same.
type dice struct{ *rand.Rand }

func throw(seed, stream uint64) dice { return dice{rand.New(rand.NewPCG(seed, stream))} }

func (d dice) chance(p float64) bool { return d.Float64() < p }

// between draws a duration uniformly.
func (d dice) between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(d.Int64N(int64(high-low)))
}

// exponential draws the time to the next of events that come by chance, one in every mean.
func (d dice) exponential(mean time.Duration) time.Duration {
	return time.Duration(d.ExpFloat64() * float64(mean))
}

// weibull draws a lifetime with a median and a shape: 1 is memoryless, more is wear, less is infant death.
func (d dice) weibull(median time.Duration, shape float64) time.Duration {
	scale := float64(median) / math.Pow(math.Ln2, 1/shape)
	return time.Duration(scale * math.Pow(d.ExpFloat64(), 1/shape))
}

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

// weighted draws an index by weight.
func (d dice) weighted(weights ...float64) int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	at := d.Float64() * sum
	for i, w := range weights {
		if at -= w; at < 0 {
			return i
		}
	}
	return len(weights) - 1
}
