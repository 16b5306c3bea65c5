// Package profile makes the *tls.Config for the client side and for the backend side.
//
// [Server] and [Backend] are the operator's settings. The defaults are those of a careful operator: TLS 1.2 or newer,
// for clients only cipher suites with authenticated encryption, Go's key exchanges (post-quantum ones too) in Go's
// order, and verified backends. Files that may change while in use are read again by Check: authorities, ticket keys,
// revocation lists and keys for Encrypted Client Hello.
package profile
