package l4test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"time"
)

// chunk is how much SendContent and ExpectContent move at a time.
const chunk = 64 << 10

// Content returns n bytes that no two seeds share and that nothing can compress, the same on each call.
func Content(seed uint64, n int64) io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return io.LimitReader(rand.NewChaCha8(key), n)
}

// SendContent sends Content(seed, n).
func (p *Peer) SendContent(seed uint64, n int64) *Peer {
	p.tb.Helper()
	return p.SendContentBy(seed, n, chunk)
}

// SendContentBy is SendContent with writes of size bytes.
func (p *Peer) SendContentBy(seed uint64, n int64, size int) *Peer {
	p.tb.Helper()
	content, b := Content(seed, n), make([]byte, size)
	for sent := int64(0); sent < n; {
		m, _ := io.ReadFull(content, b)
		p.conn.SetWriteDeadline(time.Now().Add(stepLimit))
		if _, err := p.conn.Write(b[:m]); err != nil {
			p.fail("send at byte %d of %d: %v", sent, n, err)
		}
		sent += int64(m)
	}
	return p
}

// ExpectContent reads n bytes and fails at the first that is not Content(seed, n)'s. Only what stands still for long
// fails: n may be large.
func (p *Peer) ExpectContent(seed uint64, n int64) *Peer {
	p.tb.Helper()
	content, got, want := Content(seed, n), make([]byte, chunk), make([]byte, chunk)
	for at := int64(0); at < n; {
		p.conn.SetReadDeadline(time.Now().Add(stepLimit))
		m, err := p.conn.Read(got[:min(chunk, n-at)])
		io.ReadFull(content, want[:m])
		if d := differ(got[:m], want[:m]); d >= 0 {
			p.fail("byte %d of %d is %#x, want %#x", at+int64(d), n, got[d], want[d])
		}
		at += int64(m)
		if err != nil && at < n {
			p.fail("got %d bytes of %d, then: %v", at, n, err)
		}
	}
	return p
}

// differ returns where a and b differ first, and -1 where they are equal.
func differ(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}
