package sni

import "strings"

// A cursor reads the handshake bytes of a connection in order, and skips the record headers between them. All records
// of the message must be there. A read past the end of the current vector sets broken; then all reads return zeros.
type cursor struct {
	b      []byte // the connection, from the next byte on
	run    int    // bytes before the next record header
	left   int    // bytes before the end of the current vector
	broken bool
}

// next returns up to n bytes, as many as are in the same record, and moves past them. It returns none only where n is 0
// or c is broken.
func (c *cursor) next(n int) []byte {
	if n > c.left {
		c.broken, c.left = true, 0
	}
	if c.broken || n == 0 {
		return nil
	}
	if c.run == 0 {
		c.run = int(c.b[3])<<8 | int(c.b[4])
		c.b = c.b[headerSize:]
	}
	n = min(n, c.run)
	bytes := c.b[:n]
	c.b, c.run, c.left = c.b[n:], c.run-n, c.left-n
	return bytes
}

func (c *cursor) skip(n int) {
	for n > 0 && !c.broken {
		n -= len(c.next(n))
	}
}

// copy reads as many bytes as to has.
func (c *cursor) copy(to []byte) {
	for len(to) > 0 && !c.broken {
		to = to[copy(to, c.next(len(to))):]
	}
}

// text returns n bytes as a string.
func (c *cursor) text(n int) string {
	if n <= c.run || n > c.left {
		return string(c.next(n))
	}
	var b strings.Builder
	for b.Grow(n); n > 0; {
		part := c.next(n)
		n -= len(part)
		b.Write(part)
	}
	return b.String()
}

func (c *cursor) uint8() int {
	if one := c.next(1); one != nil {
		return int(one[0])
	}
	return 0
}

func (c *cursor) uint16() int {
	high := c.uint8()
	return high<<8 | c.uint8()
}

// open makes the next n bytes the current vector, and returns how many bytes of the outer one follow it.
func (c *cursor) open(n int) (behind int) {
	if n > c.left {
		c.broken, n = true, c.left
	}
	behind = c.left - n
	c.left = n
	return behind
}

// close skips the rest of the vector, and makes the outer one current. behind is what open returned.
func (c *cursor) close(behind int) {
	c.skip(c.left)
	c.left = behind
}
