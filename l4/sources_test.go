package l4

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"forebay/pool"
)

// client returns the address of client number i, each from a source of its own.
func client(i int) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 0x0a000000+uint32(i))))
}

// enters fails unless a session of ip is let in, or refused by want.
func enters(tb testing.TB, t *sources, ip string, now int64, want Cause) *source {
	tb.Helper()
	s, cause := t.enter(netip.MustParseAddr(ip), now)
	if cause != want {
		tb.Fatalf("a session of %s at %v: %v, want %v", ip, time.Duration(now), cause, want)
	}
	return s
}

func TestSourceIsAnAddressOrANetwork(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"fe80::1%eth0", "fe80::1%eth0", true},
		{"fe80::1%eth0", "fe80::1%eth1", false},
		{"fe80::1%eth0", "fe80::2%eth0", false},
		{"fe80::1%eth0", "fe80::1", false},
		{"0.0.0.0", "::", false},
		{"::1", "::ffff:0:1", false},
	} {
		a, b := sourceKey(netip.MustParseAddr(c.a)), sourceKey(netip.MustParseAddr(c.b))
		if (a == b) != c.same {
			t.Errorf("%s and %s are one source: %v, want %v", c.a, c.b, a == b, c.same)
		}
	}
}

func TestSourceHasItsSessions(t *testing.T) {
	table := newSources(&Limits{ClientConns: 2}, 100)
	one := enters(t, table, "192.0.2.1", 1, CauseNone)
	enters(t, table, "192.0.2.1", 1, CauseNone)
	enters(t, table, "192.0.2.1", 1, OverConns)
	enters(t, table, "192.0.2.2", 1, CauseNone)
	table.leave(one)
	enters(t, table, "192.0.2.1", 1, CauseNone)
	enters(t, table, "192.0.2.1", 1, OverConns)
}

// TestSourceHasItsRate checks the times to the nanosecond. What is refused does not count.
func TestSourceHasItsRate(t *testing.T) {
	table := newSources(&Limits{ClientRate: Rate{3, time.Minute}}, 100)
	for range 3 {
		table.leave(enters(t, table, "192.0.2.1", second, CauseNone))
	}
	for range 5 {
		enters(t, table, "192.0.2.1", 21*second-1, OverRate)
	}
	enters(t, table, "192.0.2.2", 21*second-1, CauseNone)
	enters(t, table, "192.0.2.1", 21*second, CauseNone)
	enters(t, table, "192.0.2.1", 21*second, OverRate)
}

// TestSourcesAreBounded lets in more sources than there are places for. Those with sessions stay, and of the others
// those that were here last.
func TestSourcesAreBounded(t *testing.T) {
	const here = 1000
	limits := &Limits{ClientConns: 1, ClientRate: Rate{1, time.Hour}}
	table := newSources(limits, here)
	most := 0
	for i := range table.shards {
		most += table.shards[i].most
	}
	var open []*source
	for i := range here {
		s, _ := table.enter(client(i), 1)
		open = append(open, s)
	}
	for i := here; i < 4*most; i++ {
		s, cause := table.enter(client(i), 1)
		if s == nil || cause != CauseNone {
			t.Fatalf("source %d is not let in: %v", i, cause)
		}
		table.leave(s)
	}
	remembered, passed := table.count()
	if remembered > most || passed != 0 {
		t.Errorf("%d sources are remembered and %d not counted, want at most %d and none", remembered, passed, most)
	}
	for i := range here {
		if _, cause := table.enter(client(i), 1); cause != OverConns {
			t.Fatalf("source %d has a session, and its second one meets %v, want %v", i, cause, OverConns)
		}
	}
	if _, cause := table.enter(client(4*most-1), 1); cause != OverRate {
		t.Errorf("the last source is forgotten: %v", cause)
	}
	if _, cause := table.enter(client(here), 1); cause != CauseNone {
		t.Errorf("the first source is remembered: %v", cause)
	}
	for _, s := range open {
		table.leave(s)
	}
}

// TestForgottenSourcesMakeRoom has each source come once, long after the one before: none needs a place of its own.
func TestForgottenSourcesMakeRoom(t *testing.T) {
	table := newSources(&Limits{ClientRate: Rate{5, time.Second}}, 100)
	for i := range 10_000 {
		s, _ := table.enter(client(i), int64(i)*2*second)
		table.leave(s)
	}
	if n, _ := table.count(); n > sourceShards {
		t.Errorf("%d sources are remembered, want one a shard at most", n)
	}
}

// TestSourceWithoutAPlaceIsNotLimited fills a table whose sources all have sessions.
func TestSourceWithoutAPlaceIsNotLimited(t *testing.T) {
	table := newSources(&Limits{ClientConns: 1}, 0)
	n := 0
	for ; ; n++ {
		if s, _ := table.enter(client(n), 1); s == nil {
			break
		}
	}
	if s, cause := table.enter(client(n), 1); s != nil || cause != CauseNone {
		t.Errorf("got %v and %v, want no source and no cause", s, cause)
	}
	if _, passed := table.count(); passed != 2 {
		t.Errorf("%d sessions passed uncounted, want 2", passed)
	}
}

// TestSourcesAreShared has loops count at the same time.
func TestSourcesAreShared(t *testing.T) {
	table := newSources(&Limits{ClientConns: 1 << 20}, 1000)
	var loops sync.WaitGroup
	for range 4 {
		loops.Go(func() {
			for i := range 20_000 {
				s, _ := table.enter(client(i%100), 1)
				table.leave(s)
			}
		})
	}
	loops.Wait()
	for i := range 100 {
		if s, _ := table.enter(client(i), 1); s.sessions != 1 {
			t.Fatalf("source %d has %d sessions, want the one that it has now", i, s.sessions)
		}
	}
}

// TestTenThousandSources holds what they cost in memory.
func TestTenThousandSources(t *testing.T) {
	if size := unsafe.Sizeof(source{}); size > 80 {
		t.Errorf("a source is %d bytes, want at most 80", size)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	table := newSources(&Limits{ClientConns: 1}, 10_000)
	for i := range 10_000 {
		table.enter(client(i), 1)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got, most := int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(2<<20); got > most {
		t.Errorf("10,000 sources take %d bytes, want at most %d", got, most)
	}
	runtime.KeepAlive(table)
}

// TestDecisionAllocatesNothing is about a table that has grown to what it has to hold.
func TestDecisionAllocatesNothing(t *testing.T) {
	table := newSources(&Limits{ClientConns: 100, ClientRate: Rate{1000, time.Second}}, 100)
	clients := make([]netip.Addr, 10_000)
	for i := range clients {
		clients[i] = client(i)
	}
	i := 0
	decide := func() {
		s, _ := table.enter(clients[i%len(clients)], int64(i)*1000)
		if s != nil {
			table.leave(s)
		}
		i++
	}
	for range 20_000 {
		decide()
	}
	if n := testing.AllocsPerRun(10_000, decide); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// BenchmarkSources is a decision and what ends it, over 10,000 sources.
func BenchmarkSources(b *testing.B) {
	for _, c := range []struct {
		name string
		rate Rate
	}{{"let in", Rate{1 << 30, time.Second}}, {"refused", Rate{1, time.Hour}}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			table := newSources(&Limits{ClientConns: 100, ClientRate: c.rate}, 100_000)
			clients := make([]netip.Addr, 10_000)
			for i := range clients {
				clients[i] = client(i * 7919)
				table.enter(clients[i], 1)
			}
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			_, began := threadTime()
			for i := 0; b.Loop(); i++ {
				if s, _ := table.enter(clients[i%len(clients)], int64(i)*1000); s != nil {
					table.leave(s)
				}
			}
			_, ended := threadTime()
			b.ReportMetric(float64(ended-began)/float64(b.N), "cpu-ns/op") // what others do on this machine left out
		})
	}
}

// A bug in the table of sources, which all sessions share, is not taken for one session's.
func TestBugInSourcesIsNotOneSessions(t *testing.T) {
	table := newSources(&Limits{ClientConns: 1}, 1)
	broken := &source{} // of no shard
	if bug := caughtFrom(func() { table.leave(broken) }); !fatal(bug) {
		t.Errorf("it panics with %v, want a pool.Corruption", bug)
	}
}

func fatal(bug any) bool {
	_, ok := bug.(pool.Corruption)
	return ok
}
