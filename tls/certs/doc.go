// Package certs holds certificates by name, and reads them again when their files change.
//
// A [Store] is loaded from pairs of files. It gives crypto/tls the certificate that fits a client best. It looks at the
// files again at each [Store.Check], and twice a second in [Store.Watch]. New handshakes get a renewed pair at once. A
// pair that has become bad does not replace the last good one.
package certs
