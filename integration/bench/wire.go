package main

import "encoding/binary"

// The load and the backends speak this: a request of 64 bytes, an answer of 512 or of as many as the request asks for.
const (
	requestSize = 64
	answerSize  = 512
)

// kind is the first byte of a request: what answer it wants.
type kind byte

const (
	exchangeKind kind = 'x' // 512 bytes, which begin with the request's number
	bulkKind     kind = 'b' // as many bytes as the request's number says
)

// putRequest makes b, which is 64 bytes long, a request of kind k with number n.
func putRequest(b []byte, k kind, n uint64) {
	b[0] = byte(k)
	binary.BigEndian.PutUint64(b[8:], n)
}

// parseRequest returns what putRequest was given.
func parseRequest(b []byte) (kind, uint64) {
	return kind(b[0]), binary.BigEndian.Uint64(b[8:])
}

// putAnswer makes b, which is 512 bytes long, the answer to the exchange with number n.
func putAnswer(b []byte, n uint64) { binary.BigEndian.PutUint64(b, n) }

// answers reports whether b begins the answer to the exchange with number n.
func answers(b []byte, n uint64) bool { return binary.BigEndian.Uint64(b) == n }
