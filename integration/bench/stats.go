package main

import (
	"cmp"
	"math"
	"slices"
)

// quantile returns the smallest of values that at least the share q of them does not exceed (the nearest-rank method).
// It sorts values. Of no values it is zero.
func quantile[T cmp.Ordered](values []T, q float64) T {
	if len(values) == 0 {
		var none T
		return none
	}
	slices.Sort(values)
	rank := int(math.Ceil(q * float64(len(values))))
	return values[min(max(rank, 1), len(values))-1]
}

// A summary is what a table shows of the rounds of one measurement. The zero value is that of no rounds.
type summary struct {
	Median, Min, Max float64
	Rounds           int
}

// summarize returns the summary of values. The median of an even number of values is the mean of the middle two.
func summarize(values []float64) summary {
	if len(values) == 0 {
		return summary{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return summary{
		Median: (sorted[(n-1)/2] + sorted[n/2]) / 2,
		Min:    sorted[0],
		Max:    sorted[n-1],
		Rounds: n,
	}
}
