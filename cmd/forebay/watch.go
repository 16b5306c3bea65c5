package main

import (
	"context"
	"slices"
	"sync"

	"forebay/tls/certs"
	"forebay/tls/profile"
)

// A watcher looks whether files have changed, as long as the process serves.
type watcher struct {
	stop    context.CancelFunc
	between chan func() // functions to call between two looks at the files
	running sync.WaitGroup
}

// do has f called between two looks, unless another function waits for that already. It does not block.
func (w *watcher) do(f func()) {
	select {
	case w.between <- f:
	default:
	}
}

// watch begins to watch all files that are read again when they change. Changes and faults are logged.
func (p *process) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	p.watcher.stop, p.watcher.between = cancel, make(chan func(), 1)
	p.tls.report = p.tellCertificate
	for _, store := range []*certs.Store{p.tls.store, p.tls.shown} {
		if store != nil {
			p.watcher.running.Go(func() { store.Watch(ctx) })
		}
	}
	if files := slices.Concat(p.tls.files(), p.access.watched(), p.drains.watched()); len(files) > 0 {
		p.watcher.running.Go(func() { profile.Watch(ctx, p.tellFile, p.watcher.between, files...) })
	}
}

// unwatch ends what watch began, and waits for it.
func (p *process) unwatch() {
	p.watcher.stop()
	p.watcher.running.Wait()
}

// files returns the files to watch, without the certificates.
func (t *tlsPlan) files() (all []profile.File) {
	if t.tickets != nil {
		all = append(all, t.tickets)
	}
	all = append(all, t.authorities.Files()...) // before the revocation lists that they sign
	if t.revoked != nil {
		all = append(all, t.revoked)
	}
	if t.ech != nil {
		all = append(all, t.ech)
	}
	if t.backends != nil {
		all = append(all, t.backends.profile.Roots.Files()...)
	}
	return all
}

// tellCertificate logs an event of a certificate.
func (p *process) tellCertificate(e certs.Event) {
	about := []any{"certificate", e.Pair.String(), "valid_until", e.NotAfter.UTC()}
	switch e.Kind {
	case certs.Renewed:
		p.tellRenewed(e, about)
		p.tellUncertified()
	case certs.Broken:
		p.logger.Error("a certificate can't be renewed, and the old one stays in use", append(about, "error", e.Err)...)
	case certs.Expiring:
		p.logger.Warn("a certificate is about to expire", about...)
	case certs.Expired:
		p.logger.Error("a certificate has expired: clients that verify it refuse it", about...)
	}
}

// tellRenewed logs that a certificate is renewed. It logs the names if they have changed, since that may be a mistake.
func (p *process) tellRenewed(e certs.Event, about []any) {
	if len(e.Names) > 0 {
		about = append(about, "names", e.Names)
	}
	if len(e.Lost) > 0 {
		p.logger.Warn("a certificate is renewed, and some names of the old one have none any more",
			append(about, "lost", e.Lost)...)
		return
	}
	p.logger.Info("a certificate is renewed", about...)
}

// tellFile logs an event of another file.
func (p *process) tellFile(e profile.Event) {
	switch {
	case e.Err != nil:
		p.logger.Error("a file can't be used, and what it held before stays in use", "file", e.File, "error", e.Err)
		return
	case e.List.Age == profile.Ending:
		p.logger.Warn("a revocation list is about to go out of date: from then on no client gets in whom its authority has certified",
			"authority", e.List.Authority, "file", e.File, "valid_until", e.List.Next.UTC())
		return
	case e.List.Age == profile.Overdue:
		p.logger.Error("a revocation list is out of date: no client gets in whom its authority has certified",
			"authority", e.List.Authority, "file", e.File, "since", e.List.Next.UTC())
		return
	}
	p.logger.Info("a file has changed and is in use", "file", e.File)
}

// reread reads the files for SIGHUP again, whether they have changed or not.
func (p *process) reread() {
	p.access.reload(p.tellReread)
	p.drains.reload(p.tellReread)
}

// tellReread logs an event of a file that was read because of SIGHUP.
func (p *process) tellReread(e profile.Event) {
	if e.Err != nil {
		p.tellFile(e)
		return
	}
	p.logger.Info("SIGHUP: read a file again", "file", e.File)
}

// tellUncertified logs the public names of Encrypted Client Hello that have no certificate any more.
func (p *process) tellUncertified() {
	for _, name := range p.tls.uncertified() {
		p.logger.Error("there is no certificate for a key's public name: clients whose key is out of date can't be told of the new one",
			"name", name, "file", p.TLSECHKeys.String())
	}
}
