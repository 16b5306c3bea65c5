// Package file reads the files that an operator names, and says whether they have changed.
//
// [Read] takes in a regular file of a sane size. [Blocks] takes a PEM file apart, and leaves no block out in silence. A
// [Watched] knows the file that was read last, and whether it is another by now.
package file
