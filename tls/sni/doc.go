// Package sni reads a TLS ClientHello without answering it, and finds what belongs to the name in it.
//
// A [Parser] is given the bytes that a client has sent so far. It says what the hello holds, that more is to come and
// how much at least, or that this is no TLS: at the first byte that cannot be TLS, so that a client of another protocol
// is never waited for. [Names] holds what an operator has written for exact names, wildcards and the rest.
package sni
