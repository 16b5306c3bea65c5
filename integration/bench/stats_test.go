package main

import (
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	tests := []struct {
		name   string
		values []time.Duration
		q      float64
		want   time.Duration
	}{
		{"none", nil, 0.5, 0},
		{"one", []time.Duration{7}, 0.99, 7},
		{"median of two is the lower", []time.Duration{9, 3}, 0.5, 3},
		{"median of three", []time.Duration{9, 3, 5}, 0.5, 5},
		{"p50 of 1 to 100", hundred, 0.50, 50},
		{"p99 of 1 to 100", hundred, 0.99, 99},
		{"lowest", hundred, 0, 1},
		{"highest", hundred, 1, 100},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := quantile(test.values, test.q); got != test.want {
				t.Errorf("quantile(%v) = %d, want %d", test.q, got, test.want)
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   summary
	}{
		{"none", nil, summary{}},
		{"one", []float64{3}, summary{3, 3, 3, 1}},
		{"odd", []float64{5, 1, 3}, summary{3, 1, 5, 3}},
		{"even", []float64{8, 1, 3, 4}, summary{3.5, 1, 8, 4}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			given := append([]float64(nil), test.values...)
			if got := summarize(test.values); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			for i := range given {
				if test.values[i] != given[i] {
					t.Fatalf("values became %v, want them left as %v", test.values, given)
				}
			}
		})
	}
}
