package integration

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A chaosRound is a forebay with its backends and clients, for a few seconds.
type chaosRound struct {
	t    *testing.T
	run  uint32 // the stamp of all its bytes
	rand *rand.Rand
	chaosPlan

	forebay    *forebay
	clientTLS  *tls.Config
	backendTLS *tls.Config
	backends   []*chaosBackend
	files      chaosFiles
	watch      *moveWatch

	ids     atomic.Uint64
	enough  atomic.Bool
	mu      sync.Mutex
	outings []*outing
}

// An outing is what a client of chaos has done and seen.
type outing struct {
	*talk
	id     uint64
	script script
	addr   string // the client's; "" where it was reset before it knew
	failed error  // it did not get so far as to speak
}

// chaosFiles are the files that a round changes while forebay runs.
type chaosFiles struct {
	authority *l4test.Authority
	drain     string
	deny      string
}

// denied is the range that a round denies now and then.
var denied = netip.MustParsePrefix("127.8.0.0/16")

// play plays a round and judges it.
func (r *chaosRound) play(length time.Duration, clients int) {
	r.arrange()
	r.t.Logf("%v", r)
	var busy sync.WaitGroup
	for i := range clients {
		source := rand.New(rand.NewPCG(r.rand.Uint64(), uint64(i)))
		busy.Go(func() {
			for !r.enough.Load() {
				r.goOut(source)
			}
		})
	}
	if r.moves {
		busy.Go(func() { r.watch.watch(r.enough.Load) })
	}
	r.stir(length)
	if r.cutShort {
		r.forebay.Signal(syscall.SIGTERM)
	}
	r.enough.Store(true)
	busy.Wait()
	if !r.cutShort {
		r.forebay.Signal(syscall.SIGTERM)
	}
	if status := r.forebay.Wait(); r.cutShort && status == 1 {
		r.forebay.want = 1 // some were cut
	}
	for _, b := range r.backends {
		b.close()
	}
	r.judge()
}

// arrange starts the backends, and forebay before them.
func (r *chaosRound) arrange() {
	dir := r.t.TempDir()
	r.files = chaosFiles{l4test.NewAuthority(r.t), filepath.Join(dir, "drain"), filepath.Join(dir, "deny")}
	r.renew()
	site := r.files.authority.Issue("backend", l4test.Leaf{Names: []string{"127.0.0.1", l4test.There}})
	args := r.args
	if r.tlsIn {
		r.clientTLS = r.files.authority.Client("chaos.example")
		args = append(args, endTLS(r.renew())...)
	}
	if r.tlsOut {
		r.backendTLS = site.Server()
		args = append(args, "--backend-tls", "--backend-ca", r.files.authority.File)
	}
	if r.drains {
		args = append(args, "--drain-file", r.files.drain)
	}
	if r.denies {
		put(r.t, r.files.deny, "")
		args = append(args, "--deny-file", r.files.deny)
	}
	if !r.health {
		args = append(args, unwatched()...)
	}
	for i := range r.crowd {
		at := "127.0.0.1:0"
		if r.across == 2 || r.across == 1 && i%2 == 0 {
			at = l4test.There + ":0"
		}
		r.backends = append(r.backends, newChaosBackend(r.t, r, at))
		args = append(args, r.backends[i].addr)
	}
	if r.hole {
		args = append(args, l4test.BlackHole(r.t))
	}
	r.start(append([]string{"--log-empty", "-l", "0.0.0.0:0"}, args...))
	r.forebay.Allow("a backend is (down|ejected)|cut at the deadline|every backend|stopped before every session")
	if r.tlsIn || r.tlsOut { // a busy machine
		r.forebay.Allow("clients wait for their TLS handshakes")
	}
	if r.hole && r.tlsOut { // see unplaced
		r.forebay.Allow("a backend can't be reached, which is no fault of its own")
	}
	r.forebay.Allow("is not that of the certificate") // one file has been renewed, and the other one not yet
}

// start starts forebay. Where sessions are to move, its loops find themselves busy in turn.
func (r *chaosRound) start(args []string) {
	if !r.moves {
		r.forebay = start(r.t, args...)
		return
	}
	r.forebay = startCommand(r.t, l4test.BusyInTurn(r.t, program, serveArgs(args)...))
	var err error
	if r.watch, err = newMoveWatch(r.forebay); err != nil {
		r.t.Fatal(err)
	}
}

// renew writes a new certificate for the clients.
func (r *chaosRound) renew() *l4test.Identity {
	return r.files.authority.Issue("site", l4test.Leaf{Names: []string{"chaos.example"}})
}

// put replaces a file as a whole.
func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// moved reports whether a session was seen to move, where some must. While TLS handshakes go on, the loops change
// threads all the time and seldom know how much processor time they have used, so there it may take long.
func (r *chaosRound) moved() bool {
	return !r.moves || r.tlsIn || r.tlsOut || r.watch.moves.Load() > 0
}

// stir changes things until the round is over. A machine that stands still may take longer to have sessions move.
func (r *chaosRound) stir(length time.Duration) {
	for _, b := range r.backends[r.steady:] {
		b.turn(r.anyConduct())
	}
	for end := time.Now().Add(length); time.Now().Before(end) || !r.moved() && time.Now().Before(end.Add(patience)); {
		<-time.After(time.Duration(50+r.rand.IntN(100)) * time.Millisecond)
		r.stall()
		r.backends[r.steady+r.rand.IntN(len(r.backends)-r.steady)].turn(r.anyConduct())
		if r.drains && r.rand.IntN(4) == 0 {
			put(r.t, r.files.drain, r.anyDrains())
		}
		if r.denies && r.rand.IntN(4) == 0 {
			put(r.t, r.files.deny, []string{"", denied.String() + "\n"}[r.rand.IntN(2)])
		}
		if r.tlsIn && r.rand.IntN(8) == 0 {
			r.renew()
		}
		if r.rand.IntN(8) == 0 {
			r.forebay.Signal(syscall.SIGHUP)
		}
	}
	for _, b := range r.backends {
		b.turn(serves)
	}
}

// stall has forebay stand still for a moment, as a busy machine does. When it goes on much has happened at once:
// clients have come with their bytes, and backends that were being connected to have accepted and closed.
func (r *chaosRound) stall() {
	r.forebay.Signal(syscall.SIGSTOP)
	<-time.After(time.Duration(r.rand.IntN(50)) * time.Millisecond)
	r.forebay.Signal(syscall.SIGCONT)
}

func (r *chaosRound) anyConduct() conduct { return r.conducts[r.rand.IntN(len(r.conducts))] }

// anyDrains returns a drain file that leaves the first backend alone.
func (r *chaosRound) anyDrains() string {
	var text strings.Builder
	for _, b := range r.backends[1:] {
		if r.rand.IntN(4) == 0 {
			deadline := []string{"1s", "10m"}[r.rand.IntN(2)]
			fmt.Fprintf(&text, "%s,idle=100ms,spread=300ms,deadline=%s\n", b.addr, deadline)
		}
	}
	return text.String()
}

// goOut has one client come, and remembers what it saw.
func (r *chaosRound) goOut(source *rand.Rand) {
	id := r.ids.Add(1)
	s := r.scriptOf(id)
	o := &outing{id: id, script: s}
	o.talk = &talk{
		patience: r.patience, began: time.Now(), inLine: r.urgent,
		out: stream{run: r.run, id: id, dir: up}, in: stream{run: r.run, id: id, dir: down},
	}
	if o.failed = r.connect(o, source); o.failed == nil {
		o.play(s, up)
	}
	if o.peer != nil && !o.reset {
		o.peer.Conn().Close()
	}
	o.over, o.peer = time.Now(), nil
	r.mu.Lock()
	r.outings = append(r.outings, o)
	r.mu.Unlock()
}

// scriptOf returns a session's script.
func (r *chaosRound) scriptOf(id uint64) script {
	s := scriptOf(r.run, id, r.bulk)
	if r.urgent {
		return s.withUrgent(rand.New(rand.NewPCG(uint64(r.run), ^id)))
	}
	return s
}

// reading returns how both ends treat urgent data. In line no byte of it may be missing or stand elsewhere.
func (r *chaosRound) reading() l4test.Reading {
	if r.urgent {
		return l4test.InLine
	}
	return l4test.Plainly
}

// connect connects a client, from an address that follows from its number, or from the other host.
func (r *chaosRound) connect(o *outing, source *rand.Rand) error {
	port := netip.MustParseAddrPort(r.forebay.Addr()).Port()
	from, to := r.source(o.id), netip.MustParseAddr("127.0.0.1")
	if r.across > 0 && source.IntN(4) == 0 {
		from, to = netip.MustParseAddr(l4test.There), netip.MustParseAddr(l4test.Here)
	}
	peer, err := l4test.TryDialFrom(r.t, from, netip.AddrPortFrom(to, port).String(), r.reading())
	if err != nil {
		return err
	}
	o.peer = peer
	if a := peer.Addr().String(); a != ":0" {
		o.addr = a
	}
	if r.clientTLS == nil {
		return nil
	}
	if err := peer.TrySecure(tls.Client, r.clientTLS); err != nil {
		o.note(err)
		return fmt.Errorf("handshake: %w", err)
	}
	return nil
}

// source returns where a client connects from.
func (r *chaosRound) source(id uint64) netip.Addr {
	if r.sources > 0 {
		id %= r.sources
	}
	return netip.AddrFrom4([4]byte{127, byte(1 + id>>16 + id%8), byte(id >> 8), byte(id)})
}
