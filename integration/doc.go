// Package integration tests the built binary from outside, one scenario a file, alone and between the servers and
// clients that people run. Its tests also hold the files of the module to the rules of docs/architecture.md.
package integration
