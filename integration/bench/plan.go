package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A plan is how much of what is measured.
type plan struct {
	Programs []string
	Threads  []threads // one table each
	Only     []string  // names of steps; none: all
	Rounds   int       // of the steps that measure work
	Briefs   int       // of those of them that are brief
	Closes   int       // of those where the programs are so close to each other that noise decides
	Idles    int       // rounds of the steps that count sessions

	Exchanges   int           // a round, on kept connections
	Connections int           // a round
	Blocks      int           // of blockSize, a round
	Paced       time.Duration // of work at half load
	Beside      time.Duration // of small exchanges beside bulk
	IdleAge     time.Duration // of idle sessions before: by then a program has set whatever it sets on those that last
	IdleFor     time.Duration // that idle CPU is measured over

	TLS tlsPlan
}

// A tlsPlan is how much is measured over TLS, where all takes longer.
type tlsPlan struct {
	Handshakes int // a round of each kind
	Exchanges  int // a round, on kept connections
	Blocks     int // of blockSize, a round
	Sessions   int // held at once
}

const (
	loadConns      = 64 // connections or exchanges at once
	bulkStreams    = 4
	blockSize      = 32 << 20
	besideRate     = 300 // exchanges per second beside bulk: few enough that no program falls behind
	memorySessions = 2000
	idleSessions   = 9000
	limitedFiles   = 2048
	mostFiles      = 20000 // descriptor limit of all programs, where the machine allows it
)

// fullPlan is what docs/benchmarks.md shows.
func fullPlan() plan {
	return plan{
		Programs: []string{forebayName, haproxyName, nginxName, referenceName},
		Threads:  []threads{1, 0},
		Rounds:   5, Briefs: 11, Closes: 21, Idles: 2,
		Exchanges: 30_000, Connections: 5_000, Blocks: 48,
		Paced: 700 * time.Millisecond, Beside: 1500 * time.Millisecond, IdleAge: 6 * time.Second, IdleFor: 2 * time.Second,
		TLS: tlsPlan{Handshakes: 1_500, Exchanges: 20_000, Blocks: 24, Sessions: 3_000},
	}
}

// quickPlan says in which direction things go.
func quickPlan() plan {
	p := fullPlan()
	p.Rounds, p.Briefs, p.Closes, p.Idles = 1, 1, 1, 1
	p.Exchanges, p.Connections, p.Blocks = 12_000, 2_000, 32
	p.Paced, p.Beside, p.IdleAge, p.IdleFor = 500*time.Millisecond, time.Second, 0, 500*time.Millisecond
	p.TLS = tlsPlan{Handshakes: 1_000, Exchanges: 10_000, Blocks: 16, Sessions: 1_000}
	return p
}

// steps returns the steps of the plan.
func (p plan) steps() []step {
	return slices.DeleteFunc(allSteps(), func(s step) bool { return len(p.Only) > 0 && !slices.Contains(p.Only, s.name) })
}

// speaksTLS reports whether a step of the plan does.
func (p plan) speaksTLS() bool {
	return slices.ContainsFunc(p.steps(), func(s step) bool { return s.tls })
}

// rounds returns how often the plan does s.
func (p plan) rounds(s step) int {
	switch {
	case s.alone:
		return min(p.Idles, p.Rounds)
	case s.close:
		return p.Closes
	case s.brief:
		return p.Briefs
	}
	return p.Rounds
}

// measurements returns how many measurements the plan is.
func (p plan) measurements() int {
	n := 0
	for _, s := range p.steps() {
		n += p.rounds(s)
	}
	return n * len(p.Programs) * len(p.Threads)
}

// validate returns what is wrong with names that were typed.
func (p plan) validate() error {
	known := stepNames()
	for _, name := range p.Only {
		if !slices.Contains(known, name) {
			return fmt.Errorf("-only %q: want some of %s", name, strings.Join(known, ","))
		}
	}
	if p.Rounds < 1 {
		return fmt.Errorf("-rounds %d: want at least 1", p.Rounds)
	}
	return nil
}
