package integration

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A conduct is what a backend of chaos does with those that come.
type conduct uint8

const (
	serves      conduct = iota // follows the session's script
	closes                     // accepts, and closes at once
	closesLater                // reads something first
	resets                     // accepts, and resets at once
	resetsLater                // reads something first
	stalls                     // reads nothing for a while, and serves then
	freezes                    // reads nothing
	refuses                    // listens no more
	lastConduct = refuses
)

func (c conduct) String() string {
	return [...]string{
		"serves", "closes", "closes after reading", "resets", "resets after reading", "stalls", "freezes", "refuses",
	}[c]
}

// freezing is how long a backend freezes, and stalling how long one stalls.
const (
	freezing = 5 * time.Second
	stalling = 300 * time.Millisecond
)

// A chaosBackend is a backend whose conduct changes.
type chaosBackend struct {
	round *chaosRound
	t     testing.TB
	addr  string

	mu       sync.Mutex
	listener *l4test.Backend
	conducts []conductFrom // since the round began
	visits   []*chaosVisit
}

type conductFrom struct {
	at time.Time
	is conduct
}

// A chaosVisit is a connection that a backend has had.
type chaosVisit struct {
	*talk
	backend *chaosBackend
	conduct conduct
	client  string // the client's address, as a PROXY header told it
}

func newChaosBackend(t testing.TB, round *chaosRound, addr string) *chaosBackend {
	b := &chaosBackend{round: round, t: t, conducts: []conductFrom{{time.Now(), serves}}}
	b.listener = l4test.ServeReadingAt(t, addr, round.reading(), b.receive)
	b.addr = b.listener.Addr()
	return b
}

// turn changes what the backend does from now on. It refuses until it listens again, which takes a while on a busy
// machine.
func (b *chaosBackend) turn(to conduct) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.conducts[len(b.conducts)-1].is
	if from == refuses && to != refuses {
		b.listener = l4test.ServeReadingAt(b.t, b.addr, b.round.reading(), b.receive)
	}
	b.conducts = append(b.conducts, conductFrom{time.Now(), to})
	if to == refuses && from != refuses {
		b.listener.StopListening()
	}
}

func (b *chaosBackend) conduct() conduct {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conducts[len(b.conducts)-1].is
}

// conducted reports whether the backend did something of which is holds between two times, give or take a little.
func (b *chaosBackend) conducted(from, to time.Time, is func(conduct) bool) bool {
	const little = 500 * time.Millisecond
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, c := range b.conducts {
		ends := to.Add(time.Hour)
		if i+1 < len(b.conducts) {
			ends = b.conducts[i+1].at
		}
		if is(c.is) && c.at.Before(to.Add(little)) && ends.After(from.Add(-little)) {
			return true
		}
	}
	return false
}

// receive is the script of each connection.
func (b *chaosBackend) receive(p *l4test.Peer) {
	v := &chaosVisit{
		talk:    &talk{peer: p, patience: b.round.patience + freezing, began: time.Now(), inLine: b.round.urgent},
		backend: b, conduct: b.conduct(),
	}
	switch v.conduct {
	case closes:
		return
	case resets:
		p.Reset()
		return
	case freezes, stalls:
		wait(p, map[conduct]time.Duration{freezes: freezing, stalls: stalling}[v.conduct])
		if v.conduct == freezes {
			return
		}
	}
	if v.open() {
		v.converse()
	}
	v.over = time.Now()
	b.mu.Lock()
	b.visits = append(b.visits, v)
	b.mu.Unlock()
}

func wait(p *l4test.Peer, d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.Ended():
	}
}

// open reads what comes before the session's own bytes.
func (v *chaosVisit) open() bool {
	if v.backend.round.proxyOut {
		line, err := readLine(v.peer.Conn())
		words := strings.Fields(line) // PROXY TCP4 from to port port
		if err != nil || len(words) != 6 {
			return false
		}
		v.client = net.JoinHostPort(words[2], words[4])
	}
	return v.backend.round.backendTLS == nil || v.peer.TrySecure(tls.Server, v.backend.round.backendTLS) == nil
}

// readLine reads to the first line feed and not beyond it.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); len(line) < 107 && b[0] != '\n'; line = append(line, b[0]) {
		if _, err := io.ReadFull(r, b); err != nil {
			return string(line), err
		}
	}
	return string(line), nil
}

// converse reads the first mark, which tells whose the connection is, and follows the script of that session.
func (v *chaosVisit) converse() {
	first := make([]byte, markSize)
	for n := 0; n < markSize; {
		m, err := v.receive(first[n:], int64(n))
		if n += m; err != nil && n < markSize {
			v.note(err)
			return
		}
	}
	id, dir, number, ok := readMark(first, v.backend.round.run)
	if !ok || dir != up || number != 0 {
		v.fault = fmt.Errorf("a connection of backend %s begins with mark %d of session %d %s: %x",
			v.backend.addr, number, id, dir, first)
		v.breakOff(false)
		return
	}
	run := v.backend.round.run
	v.in, v.out = stream{run: run, id: id, dir: up, at: markSize}, stream{run: run, id: id, dir: down}
	switch v.conduct {
	case closesLater:
		return
	case resetsLater:
		v.breakOff(false)
		return
	}
	v.play(v.backend.round.scriptOf(id).without(markSize), down)
}

// without is the script when the client's first n bytes have been heard.
func (s script) without(n int64) script {
	turns := append([]int64{s.turns[0] - n}, s.turns[1:]...)
	s.turns = turns
	return s
}

// close ends the backend.
func (b *chaosBackend) close() {
	b.mu.Lock()
	l := b.listener
	b.mu.Unlock()
	l.Close()
}
