// Package l4test helps to test what relays TCP connections: backends that misbehave in every way a backend can, a peer
// that follows a script and knows a FIN from a reset, in TLS and without, and a second host for those to stand on.
//
// Everything takes a testing.TB, fails it with what was found and what was expected, and cleans up after itself.
// Addresses are strings as an operator writes a backend: "127.0.0.1:4242", "[::1]:4242" or "unix:/run/app.sock".
package l4test
