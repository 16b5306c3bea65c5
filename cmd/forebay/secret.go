package main

import (
	"os"
	"path/filepath"
	"syscall"

	"forebay/tls/certs"
)

// secrets returns the files that hold keys, of whatever kind.
func (p *plan) secrets() (all []string) {
	for _, store := range []*certs.Store{p.tls.store, p.tls.shown} {
		if store == nil {
			continue
		}
		for _, s := range store.Snapshot() {
			all = append(all, s.Pair.KeyFile())
		}
	}
	if p.tls.tickets != nil {
		all = append(all, string(p.TLSTicketKeys))
	}
	if p.tls.ech != nil {
		all = append(all, string(p.TLSECHKeys))
	}
	return all
}

// exposed returns those of the files with keys that every user of this machine can read.
func (p *plan) exposed() (all []string) {
	for _, path := range p.secrets() {
		if isPublic(path) {
			all = append(all, path)
		}
	}
	return all
}

// isPublic reports whether everybody may read the file that path leads to, and pass through the directories above it
// (path_resolution(7)).
func isPublic(path string) bool {
	const read, pass = 0o004, 0o001
	path, err := filepath.EvalSymlinks(path)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return false
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&read == 0 {
		return false
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&pass == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// hide keeps other processes of this user, and core files, from what is in this process's memory, where that has keys
// in it (PR_SET_DUMPABLE in prctl(2)). Root can still look. Where the kernel does not let us, there is nothing to be
// done.
func (p *plan) hide() {
	const setDumpable, no = 4, 0
	if len(p.secrets()) > 0 {
		syscall.RawSyscall6(syscall.SYS_PRCTL, setDumpable, no, 0, 0, 0, 0)
	}
}
