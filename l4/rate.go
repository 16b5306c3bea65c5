package l4

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A Rate is how many of something may happen in a time: N at once, and N more in every Per after that. What is not used
// is saved up, for one Per at most. The zero Rate is no limit.
type Rate struct {
	N   int64 // sessions or bytes
	Per time.Duration
}

// limits reports whether r is a limit at all.
func (r Rate) limits() bool { return r.N > 0 && r.Per > 0 }

// cost returns how long n take at this rate, in ns: at most longest.
func (r Rate) cost(n int64) int64 { return scale(n, int64(r.Per), r.N) }

// worth returns how many fit into ns.
func (r Rate) worth(ns int64) int64 { return scale(ns, r.N, int64(r.Per)) }

// longest is 36 years, more than any process lives. It leaves room for sums.
const longest = int64(1) << 60

// scale returns n·by/of, rounded down and at most longest, where neither n nor by is negative.
func scale(n, by, of int64) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(by))
	if hi >= uint64(of) {
		return longest
	}
	q, _ := bits.Div64(hi, lo, uint64(of))
	return int64(min(q, uint64(longest)))
}

// A bucket keeps to a Rate. It is a token bucket that remembers one number, the time by which all that was taken is
// paid for (the virtual scheduling algorithm of ITU-T I.371), so that loops can share it without a lock. The zero
// bucket is full. Times are ns on the server's clock.
type bucket struct {
	paid atomic.Int64 // counted from longAgo, so that nothing was taken lately from a zero bucket
}

const longAgo = -4 * longest

// since returns from when on nothing has been taken: at most one Per ago.
func (b *bucket) since(now int64, r Rate) int64 { return max(b.paid.Load()+longAgo, now-int64(r.Per)) }

// left returns how many may be taken now.
func (b *bucket) left(now int64, r Rate) int64 { return r.worth(max(now-b.since(now, r), 0)) }

// full reports whether b is as good as a new bucket.
func (b *bucket) full(now int64, r Rate) bool { return b.since(now, r)+int64(r.Per) <= now }

// next returns when one more may be taken.
func (b *bucket) next(now int64, r Rate) int64 { return b.since(now, r) + r.cost(1) }

// take takes n and returns when they are paid for; from then on they may be used. Who takes first is served first.
func (b *bucket) take(now, n int64, r Rate) int64 {
	for {
		old := b.paid.Load()
		paid := max(old+longAgo, now-int64(r.Per)) + r.cost(n)
		if b.paid.CompareAndSwap(old, paid-longAgo) {
			return paid
		}
	}
}

// giveBack returns n that were taken and not used.
func (b *bucket) giveBack(n int64, r Rate) { b.paid.Add(-r.cost(n)) }
