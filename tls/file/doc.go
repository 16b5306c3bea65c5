// Package file reads the files that an operator names, and says whether they have changed.
//
// [Read] reads a regular file of up to 64 MiB. [Blocks] splits a PEM file, and never skips a damaged block in silence.
// A [Watched] knows whether a file differs from what was last read.
package file
