// Package certs holds certificates by name, and reads them again when their files change.
//
// A [Store] is loaded from pairs of files, gives crypto/tls the certificate that fits a client best, and looks at the
// files again each time that it is told to, or twice a second in [Store.Watch]. New handshakes get a renewed pair at
// once. A pair that has become bad does not take the place of the good one.
package certs
