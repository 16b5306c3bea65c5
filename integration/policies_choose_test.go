package integration

import (
	"fmt"
	"net"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// Round robin is exact, whatever the number of loops.
func TestRoundRobinIsExact(t *testing.T) {
	t.Parallel()
	const clients = 1000
	for _, loops := range []string{"auto", "2"} {
		for _, weights := range [][]int{{1, 1, 1, 1}, {3, 1}} {
			t.Run(fmt.Sprint(weights, " loops ", loops), func(t *testing.T) {
				t.Parallel()
				args, total := []string{"--loops", loops}, 0
				var backends []*l4test.Backend
				for _, w := range weights {
					b := l4test.Named(t, "x")
					backends, total = append(backends, b), total+w
					args = append(args, fmt.Sprintf("%s,weight=%d", b.Addr(), w))
				}
				f := start(t, args...)
				for range clients {
					l4test.Dial(t, f.Addr()).Expect("x").ExpectEOF().Close()
				}
				for i, b := range backends {
					if got, want := b.Accepted(), clients*weights[i]/total; got != want {
						t.Errorf("backend %d of weight %d got %d sessions of %d, want %d", i, weights[i], got, clients, want)
					}
				}
			})
		}
	}
}

// Sessions that stay go where there are fewest, by weight.
func TestLeastConnLevels(t *testing.T) {
	t.Parallel()
	one, three := l4test.Echo(t), l4test.Echo(t)
	f := start(t, "--policy", "least-conn", one.Addr(), three.Addr()+",weight=3")
	for range 40 {
		l4test.Dial(t, f.Addr()).Send("x").Expect("x")
	}
	if one.Open() != 10 || three.Open() != 30 {
		t.Errorf("backends of weight 1 and 3 have %d and %d sessions, want 10 and 30", one.Open(), three.Open())
	}
}

// A client address stays with its backend; while that is away another serves, and the others' clients do not move.
func TestSourceKeepsClients(t *testing.T) {
	t.Parallel()
	const clients = 60
	names := map[string]*l4test.Backend{}
	args := unwatched("--policy", "source")
	for _, name := range []string{"a", "b", "c"} {
		names[name] = l4test.Named(t, name)
		args = append(args, names[name].Addr())
	}
	f := start(t, args...)
	before := sourceMap(t, f, clients)
	if again := sourceMap(t, f, clients); again != before {
		t.Errorf("clients moved without a reason:\n%s\n%s", before, again)
	}
	names["b"].Close()
	after := sourceMap(t, f, clients)
	for i := range clients {
		if before[i] != 'b' && after[i] != before[i] {
			t.Errorf("client %d moved from %c to %c, though only b is away", i, before[i], after[i])
		}
	}
	l4test.ServeAt(t, names["b"].Addr(), func(p *l4test.Peer) { p.Send("b").CloseWrite().ReceiveAll() })
	if again := sourceMap(t, f, clients); again != before {
		t.Errorf("with b back clients are not where they were:\n%s\n%s", before, again)
	}
}

// sourceMap returns the name of the backend that each of n clients meets, one letter each.
func sourceMap(t *testing.T, f *forebay, n int) string {
	t.Helper()
	var names []byte
	for i := range n {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i+1))}, Timeout: patience}
		conn, err := d.Dial("tcp", f.Addr())
		if err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := conn.Read(b[:]); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		conn.Close()
		names = append(names, b[0])
	}
	return string(names)
}

// A backup serves when, and only when, no other can.
func TestBackupServesLast(t *testing.T) {
	t.Parallel()
	first, backup := l4test.Named(t, "first"), l4test.Named(t, "backup")
	f := start(t, unwatched(backup.Addr()+",backup", first.Addr())...)
	for range 5 {
		l4test.Dial(t, f.Addr()).Expect("first").ExpectEOF().Close()
	}
	first.Close()
	for range 5 {
		l4test.Dial(t, f.Addr()).Expect("backup").ExpectEOF().Close()
	}
}

// The other policies spread, each in its way, and lose nobody.
func TestEveryPolicyServes(t *testing.T) {
	t.Parallel()
	for policy, spread := range map[string]bool{"random": true, "least-time": true, "first": false} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			one, two := l4test.Echo(t), l4test.Echo(t)
			f := start(t, "--policy", policy, one.Addr(), two.Addr())
			for range 40 {
				l4test.Dial(t, f.Addr()).Send("x").Expect("x")
			}
			if one.Open()+two.Open() != 40 || (two.Open() > 0) != spread {
				t.Errorf("backends have %d and %d sessions of 40", one.Open(), two.Open())
			}
		})
	}
}
