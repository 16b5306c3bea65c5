package l4

import (
	"math"
	"testing"
	"time"
)

const second = int64(time.Second)

func TestRateIsExact(t *testing.T) {
	for _, c := range []struct {
		rate   Rate
		n, ns  int64
		within int64 // how many fit into a second
	}{
		{Rate{10, time.Second}, 1, second / 10, 10},
		{Rate{10, time.Second}, 25, 5 * second / 2, 10},
		{Rate{300, time.Minute}, 1, second / 5, 5},
		{Rate{1 << 20, time.Second}, 1 << 19, second / 2, 1 << 20},
		{Rate{1 << 40, time.Second}, 1 << 40, second, 1 << 40},
		{Rate{1, 24 * time.Hour}, 1, 86400 * second, 0},
		{Rate{1, 24 * time.Hour}, math.MaxInt64, longest, 0},
	} {
		if got := c.rate.cost(c.n); got != c.ns {
			t.Errorf("%v: %d take %v, want %v", c.rate, c.n, time.Duration(got), time.Duration(c.ns))
		}
		if got := c.rate.worth(second); got != c.within {
			t.Errorf("%v: %d fit into a second, want %d", c.rate, got, c.within)
		}
	}
}

// TestBucketPaysAtItsRate takes what there is, and then as soon as there is more.
func TestBucketPaysAtItsRate(t *testing.T) {
	r := Rate{4, time.Second}
	for _, start := range []int64{1, 100 * second} { // a clock that shows less than a second is no reason to have less
		var b bucket
		if got := b.left(start, r); got != 4 {
			t.Errorf("at %v a new bucket holds %d, want 4", time.Duration(start), got)
		}
		for i := range int64(4) {
			if at := b.take(start, 1, r); at > start {
				t.Errorf("taking number %d of 4 has to wait for %v", i+1, time.Duration(at-start))
			}
		}
		if got := b.left(start, r); got != 0 {
			t.Errorf("%d left of 4 after 4", got)
		}
		if got, want := b.next(start, r), start+second/4; got != want {
			t.Errorf("one more at %v, want %v", got, want)
		}
		for i := range int64(3) { // each is served in its turn
			if got, want := b.take(start, 2, r), start+(i+1)*second/2; got != want {
				t.Errorf("two more at %v, want %v", got, want)
			}
		}
		b.giveBack(4, r)
		if got, want := b.next(start, r), start+3*second/4; got != want {
			t.Errorf("after four came back one more at %v, want %v", got, want)
		}
	}
}

func TestBucketSavesNoMoreThanOnePer(t *testing.T) {
	r := Rate{4, time.Second}
	var b bucket
	b.take(second, 4, r)
	for _, c := range []struct {
		at, left int64
		full     bool
	}{{second, 0, false}, {second + second/4, 1, false}, {2*second - 1, 3, false}, {2 * second, 4, true}, {3600 * second, 4, true}} {
		if left, full := b.left(c.at, r), b.full(c.at, r); left != c.left || full != c.full {
			t.Errorf("at %v: %d left, full %v; want %d, %v", time.Duration(c.at), left, full, c.left, c.full)
		}
	}
}

func BenchmarkBucket(b *testing.B) {
	b.ReportAllocs()
	var k bucket
	r := Rate{1 << 30, time.Second}
	for i := int64(1); b.Loop(); i++ {
		if k.left(i*1000, r) > 0 {
			k.take(i*1000, 512, r)
		}
	}
}
