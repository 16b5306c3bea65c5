package main

import (
	"syscall"

	"forebay/tls/certs"
	"forebay/tls/file"
)

// secrets returns all files that hold keys of any kind.
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

// exposed returns the files with keys that every user of this machine can read.
func (p *plan) exposed() (all []string) {
	for _, path := range p.secrets() {
		if file.Public(path) {
			all = append(all, path)
		}
	}
	return all
}

// hide keeps the memory of this process from other processes of this user and out of core files, if there are keys in
// it (PR_SET_DUMPABLE in prctl(2)). Root can still read it. Nothing can be done where the kernel refuses, so the error
// is dropped.
func (p *plan) hide() {
	const setDumpable, no = 4, 0
	if len(p.secrets()) > 0 {
		syscall.RawSyscall6(syscall.SYS_PRCTL, setDumpable, no, 0, 0, 0, 0)
	}
}
