package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
)

// A chaosPlan is how a round is set up, and so what may become of its sessions.
type chaosPlan struct {
	name     string
	args     []string
	conducts []conduct // of the backends that change
	steady   int       // how many serve all the time
	crowd    int       // how many backends there are
	across   int       // 0: all over loopback; 1: every other one is on the other host; 2: all
	tlsIn    bool
	tlsOut   bool
	replay   bool
	proxyOut bool
	health   bool // somebody looks after the backends
	drains   bool
	leaves   bool // sessions may be ended in good order to go to another backend
	downs    bool // sessions of a backend that went down are reset, or drained
	denies   bool
	urgent   bool // most sessions have urgent bytes
	moves    bool // sessions move between event loops
	limits   bool
	hole     bool // one backend answers no SYN
	cutShort bool // forebay is stopped while sessions go on
	sources  uint64
	short    bool // all sessions are
	bulk     int64
	patience time.Duration
}

func (p chaosPlan) String() string {
	return fmt.Sprintf("%s: forebay %s", p.name, strings.Join(p.args, " "))
}

var (
	deaths  = []conduct{serves, closes, closes, closesLater, resets, resetsLater, refuses}
	allWays = []conduct{serves, closes, closesLater, resets, resetsLater, stalls, freezes, refuses}
)

// plans are what rounds begin from; the rest is drawn.
func plans() []chaosPlan {
	const across, both = 2, 1
	replay := []string{"--replay", "64KiB"}
	with := func(more ...string) []string { return slices.Concat(replay, more) }
	return []chaosPlan{
		{
			name: "replay across hosts", replay: true, across: across, short: true,
			args:     replay,
			conducts: []conduct{serves, closes, closes, closes, closes, closesLater, resetsLater},
		},
		{name: "TLS and drains", tlsIn: true, across: both, drains: true, moves: true, conducts: deaths},
		{name: "deaths", across: both, conducts: allWays},
		{name: "urgent bytes", across: both, urgent: true, moves: true, conducts: deaths},
		{
			name: "TLS, replay and hedging", replay: true, tlsIn: true, tlsOut: true, across: both, hole: true,
			args:     with("--hedge-after", "20ms"),
			conducts: deaths,
		},
		{
			name: "health and rebalancing", replay: true, across: both, health: true, leaves: true, downs: true, moves: true,
			args: with("--check-interval", "200ms", "--rebalance", "factor=1.2,rate=100",
				"--policy", "least-conn", "--slow-start", "1s", "--eject-hold", "200ms"),
			conducts: deaths,
		},
		{
			name: "limits and lists", limits: true, denies: true, sources: 16, across: both,
			args: []string{"--client-conns", "12", "--client-rate", "100/s",
				"--session-download", "8MiB/s", "--client-upload", "32MiB/s"},
			conducts: deaths,
		},
		{
			name: "TLS to backends", replay: true, tlsOut: true, across: across, moves: true,
			args:     with("--loops", "2"),
			conducts: deaths,
		},
		{
			name: "a stop", replay: true, across: across, cutShort: true, tlsIn: true,
			args:     with("--drain-timeout", "500ms"),
			conducts: deaths,
		},
	}
}

// planOf returns the plan of a round.
func planOf(r *rand.Rand, round int) chaosPlan {
	all := slices.DeleteFunc(plans(), func(p chaosPlan) bool { return !strings.Contains(p.name, os.Getenv(planVar)) })
	p := all[round%len(all)]
	p.crowd, p.steady = 8, 3
	if !p.short {
		p.bulk = 2 << 20
	}
	p.patience = patience
	for _, c := range p.conducts {
		if c == freezes {
			p.patience = 2 * freezing
		}
	}
	p.args = append(p.args, "--tries", "4", "--connect-timeout", p.connectTimeout())
	if p.tlsIn {
		p.args = append(p.args, "--handshake-timeout", "1m")
	}
	if p.downs {
		p.args = append(p.args, "--on-down", []string{"reset", "drain"}[r.IntN(2)])
	}
	if r.IntN(2) == 0 {
		p.args = append(p.args, "--io-uring", "off")
	}
	if (r.IntN(2) == 0 || p.moves) && !strings.Contains(strings.Join(p.args, " "), "--loops") {
		p.args = append(p.args, "--loops", "2")
	}
	if round >= len(all) && r.IntN(3) == 0 {
		p.proxyOut, p.args = true, append(p.args, "--proxy-out", "v1")
	}
	return p
}

// connectTimeout is long, so that a machine that stands still is not taken for a backend that does; but where one does
// not answer it is waited for.
func (p chaosPlan) connectTimeout() string {
	if p.hole {
		return "1s"
	}
	return "20s"
}
