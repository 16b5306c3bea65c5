package integration

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// Certificates are renewed again and again while five hundred clients a second come: none is refused, and who comes
// after the log says so gets the new one.
func TestCertificatesAreSwappedUnderLoad(t *testing.T) {
	a := l4test.NewAuthority(t)
	leaf := l4test.Leaf{Names: []string{"a.example"}}
	site := a.Issue("site", leaf)
	file := bundle(t, site)
	f := start(t, "--tls-cert", file, "--log", "off", l4test.Echo(t).Addr())
	load := startHandshakes(t, f, a)
	for i := range 4 {
		renewed := a.Issue("site", leaf)
		if err := os.Rename(bundle(t, renewed), file); err != nil {
			t.Fatal(err)
		}
		written := time.Now()
		l4test.Await(t, patience, "the certificate is renewed", func() bool { return f.countLines("a certificate is renewed") == i+1 })
		if took := time.Since(written); took > time.Second+slack {
			t.Errorf("a new certificate was served after %v, want within a second", took)
		}
		p := l4test.DialTLS(t, f.Addr(), a.Client("a.example"))
		if got, want := p.TLS().PeerCertificates[0].SerialNumber, renewed.Leaf.SerialNumber; got.Cmp(want) != 0 {
			t.Errorf("after renewal %d: the certificate is number %v, want %v", i+1, got, want)
		}
		p.Close()
	}
	n := load.stop()
	t.Logf("%d handshakes", n)
	if n < 100 {
		t.Errorf("only %d handshakes took place", n)
	}
}

// A bad pair leaves the good one in use, and is reported once, with what is wrong.
func TestBadCertificateLeavesTheGoodOne(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	leaf := l4test.Leaf{Names: []string{"a.example"}}
	site := a.Issue("site", leaf)
	f := start(t, append(endTLS(site), l4test.Echo(t).Addr())...)
	f.Allow("can't be renewed")
	key, err := os.ReadFile(a.Issue("other", leaf).KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(site.KeyFile, key, 0o644); err != nil {
		t.Fatal(err)
	}
	f.Stderr.AwaitMatch(t, "can't be renewed.*is not that of the certificate")
	exchangeTLS(t, f, a.Client("a.example"))
	a.Issue("site", leaf)
	f.Stderr.AwaitMatch(t, "a certificate is renewed")
	exchangeTLS(t, f, a.Client("a.example"))
	if n := f.countLines("can't be renewed"); n != 1 {
		t.Errorf("the bad pair was reported %d times, want once", n)
	}
}

// A handshaking is clients that come one after the other, several at a time.
type handshaking struct {
	enough atomic.Bool
	count  atomic.Int64
	all    sync.WaitGroup
}

// startHandshakes has five hundred clients a second come, or as many as the machine can bear.
func startHandshakes(t *testing.T, f *forebay, a *l4test.Authority) *handshaking {
	const workers, each = 10, 20 * time.Millisecond
	h := new(handshaking)
	t.Cleanup(func() { h.stop() })
	client := a.Client("a.example")
	for range workers {
		h.all.Go(func() {
			pace := time.NewTicker(each)
			defer pace.Stop()
			for !h.enough.Load() {
				<-pace.C
				if err := shakeHands(f.Addr(), client); err != nil {
					t.Errorf("handshake %d: %v", h.count.Load(), err)
					return
				}
				h.count.Add(1)
			}
		})
	}
	return h
}

// stop returns how many handshakes there were.
func (h *handshaking) stop() int64 {
	h.enough.Store(true)
	h.all.Wait()
	return h.count.Load()
}

// shakeHands makes a connection that carries a byte both ways.
func shakeHands(addr string, config *tls.Config) error {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", addr, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	b := []byte("x")
	if _, err := conn.Write(b); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, b)
	return err
}

// countLines returns how many lines of stderr have text in them.
func (f *forebay) countLines(text string) (n int) {
	for _, line := range f.Stderr.All() {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
