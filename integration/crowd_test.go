package integration

import (
	"errors"
	"io"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// answers is what a crowd's backend does: it says its name to who asks. A connection on which nobody has asked is reset
// when the backend ends, and no failure: on a busy machine a check may take so long to leave that it is seen.
func answers(name string) func(*l4test.Peer) {
	return func(p *l4test.Peer) {
		conn := p.Conn().(*net.TCPConn)
		conn.SetLinger(0)
		if n, _ := conn.Read(make([]byte, 1)); n == 0 {
			return
		}
		tell(conn, name)
	}
}

// tell says name, and ends the connection in good order.
func tell(conn *net.TCPConn, name string) {
	conn.SetLinger(-1)
	io.WriteString(conn, name)
	conn.CloseWrite()
	io.Copy(io.Discard, conn)
}

// A crowd is clients that come again and again, each on a new connection. One that gets no answer fails the test.
type crowd struct {
	t      testing.TB
	addr   string
	under  sync.RWMutex // held for reading by each client that is under way
	enough atomic.Bool
	all    sync.WaitGroup

	mu     sync.Mutex
	counts map[string]int // of answers, by what they were
}

// gather has n clients come to addr until Disperse, or the end of the test.
func gather(t testing.TB, n int, addr string) *crowd {
	c := &crowd{t: t, addr: addr, counts: map[string]int{}}
	t.Cleanup(func() { c.Disperse() })
	for range n {
		c.all.Go(c.come)
	}
	return c
}

// come is what one client does. It pauses between its visits, so that a log of them can be read.
func (c *crowd) come() {
	const pause = 5 * time.Millisecond
	pace := time.NewTicker(pause)
	defer pace.Stop()
	for !c.enough.Load() {
		<-pace.C
		c.under.RLock()
		answer, err := ask(c.addr)
		c.under.RUnlock()
		if err != nil {
			c.t.Errorf("a client, after %v: %v", c.Counts(), err)
			return
		}
		c.count(answer)
	}
}

// ask makes one connection, and returns what is said on it.
func ask(addr string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write([]byte("?")); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && len(answer) == 0 {
		err = errors.New("the connection ended without an answer")
	}
	return string(answer), err
}

func (c *crowd) count(answer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[answer]++
}

// Counts returns how many answers there were so far, by what they were.
func (c *crowd) Counts() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}

// AwaitMore returns when n more clients have had this answer.
func (c *crowd) AwaitMore(n int, answer string) {
	c.t.Helper()
	before := c.Counts()[answer]
	l4test.Await(c.t, patience, "more clients are answered by "+answer, func() bool { return c.Counts()[answer] >= before+n })
}

// Between calls do at a moment at which no client is under way. All come on right after it.
func (c *crowd) Between(do func()) {
	c.under.Lock()
	defer c.under.Unlock()
	do()
}

// Disperse returns when no client is there any more. It may be called again.
func (c *crowd) Disperse() {
	c.enough.Store(true)
	c.all.Wait()
}
