// Package sni reads a TLS ClientHello without answering it, and looks up values by the name in it.
//
// A [Parser] gets the bytes that a client has sent so far. It returns the hello, or that more bytes are needed and how
// many at least, or that this is not TLS. It says the latter at the first byte that can't be TLS, so that nobody waits
// for a client of another protocol. [Names] holds an operator's values for exact names, wildcards and the rest.
package sni
