// Package profile makes the *tls.Config for the client side and for the backend side.
//
// [Server] and [Backend] are what an operator asks for. What is not asked for is what a careful one would: TLS 1.2 or
// newer, for clients only cipher suites with authenticated encryption, Go's key exchanges (post-quantum ones among
// them) in Go's order, and backends verified. Files that change while in use — ticket keys, revocation lists, Encrypted
// Client Hello keys — are looked at again by Check.
package profile
