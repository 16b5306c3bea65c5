package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"forebay/l4/l4test"
)

const (
	soakVar = "SOAK"       // for how long TestChaos goes on: a time.Duration
	seedVar = "CHAOS_SEED" // what it draws from: a number
	planVar = "CHAOS_PLAN" // a part of the name of a plan that alone is played
)

// TestChaos sends marked bytes through forebay while its backends and its files change, and looks at each byte, each
// end and each line of the log. It goes on for about a minute, and for $SOAK where that is set.
func TestChaos(t *testing.T) {
	if !l4test.TwoHosts(t) {
		return
	}
	const lanes, clients, length = 2, 200, 5 * time.Second
	soak, seed := 40*time.Second, uint64(time.Now().UnixNano())
	if s := os.Getenv(soakVar); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("$%s: %v", soakVar, err)
		}
		soak = d
	}
	if s := os.Getenv(seedVar); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("$%s: %v", seedVar, err)
		}
		seed = n
	}
	t.Logf("%s=%d %s=%v", seedVar, seed, soakVar, soak)
	var next atomic.Int64
	var all sync.WaitGroup
	end := time.Now().Add(soak)
	for range lanes {
		all.Go(func() {
			for time.Now().Before(end) {
				round := int(next.Add(1) - 1)
				t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) {
					r := rand.New(rand.NewPCG(seed, uint64(round)))
					c := &chaosRound{t: t, run: r.Uint32(), rand: r, chaosPlan: planOf(r, round)}
					c.play(length, clients)
				})
			}
		})
	}
	all.Wait()
}
