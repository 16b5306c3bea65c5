package profile

import (
	"crypto/x509"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"forebay/tls/file"
)

// Authorities are whom certificates are verified by, out of PEM files that are read again when they change. Some in a
// file may have expired by now, as is common among those of a system, but not all. The nil Authorities are those of the
// system.
type Authorities struct {
	asked bool // clients are told who they are
	files []*authorityFile
	set   atomic.Pointer[authoritySet]

	mu      sync.Mutex
	changed []func()
}

// An authoritySet is all of the files at one moment.
type authoritySet struct {
	list []*x509.Certificate
	pool *x509.CertPool
}

// An authorityFile is one of the files.
type authorityFile struct {
	of   *Authorities
	file watched[[]*x509.Certificate]
}

// LoadAuthorities reads the files of those who vouch for backends. The error tells what is wrong with the first one
// that is bad.
func LoadAuthorities(paths ...string) (*Authorities, error) { return new(Authorities).load(paths) }

// LoadClientAuthorities reads the files of those who vouch for clients. These are told their names, so there must not
// be too many.
func LoadClientAuthorities(paths ...string) (*Authorities, error) {
	return (&Authorities{asked: true}).load(paths)
}

func (a *Authorities) load(paths []string) (*Authorities, error) {
	for _, path := range paths {
		f := &authorityFile{of: a}
		if err := f.file.open(path, f.parse); err != nil {
			return nil, err
		}
		a.files = append(a.files, f)
	}
	a.gather()
	return a, nil
}

// List returns all of them, in the order of the files. It is not the caller's to change.
func (a *Authorities) List() []*x509.Certificate {
	if a == nil {
		return nil
	}
	return a.set.Load().list
}

// Pool returns a pool of all of them, as crypto/tls takes it: nil for those of the system.
func (a *Authorities) Pool() *x509.CertPool {
	if a == nil {
		return nil
	}
	return a.set.Load().pool
}

// Files returns what is to be checked.
func (a *Authorities) Files() (all []File) {
	if a == nil {
		return nil
	}
	for _, f := range a.files {
		all = append(all, f)
	}
	return all
}

// WhenChanged has f called each time that there are others, after they are in use. It is called by who checks the
// files, without locks held.
func (a *Authorities) WhenChanged(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed = append(a.changed, f)
}

// gather puts together what the files hold.
func (a *Authorities) gather() {
	var all []*x509.Certificate
	for _, f := range a.files {
		all = append(all, *f.file.value.Load()...)
	}
	a.use(all)
}

func (a *Authorities) use(all []*x509.Certificate) {
	set := &authoritySet{all, x509.NewCertPool()}
	for _, c := range all {
		set.pool.AddCert(c)
	}
	a.set.Store(set)
	a.mu.Lock()
	changed := a.changed
	a.mu.Unlock()
	for _, f := range changed {
		f()
	}
}

// Check reads the file again if it has changed.
func (f *authorityFile) Check() (Event, bool) {
	e, ok := f.file.check()
	if ok && e.Err == nil {
		f.of.gather()
	}
	return e, ok
}

func (f *authorityFile) parse(text []byte) ([]*x509.Certificate, error) {
	list, err := file.Certificates(text)
	if err != nil {
		return nil, err
	}
	if err := checkTime(list, time.Now()); err != nil || !f.of.asked {
		return list, err
	}
	return list, f.checkNames(list)
}

// mostNames is how many bytes the names of authorities may take that a client is told (RFC 8446, section 4.2.4). Their
// list, and in TLS 1.3 that and all other extensions of the request together, has a length of two bytes; those others
// take less than 512.
const mostNames = 1<<16 - 1 - 512

// checkNames says whether the names of list, and of those in the other files, can be told to a client. What crypto/tls
// does with more is to fail every handshake.
func (f *authorityFile) checkNames(list []*x509.Certificate) error {
	count, size := 0, 0
	add := func(list []*x509.Certificate) {
		count += len(list)
		for _, c := range list {
			size += 2 + len(c.RawSubject)
		}
	}
	add(list)
	for _, other := range f.of.files {
		if other != f {
			add(*other.file.value.Load())
		}
	}
	if size > mostNames {
		return fmt.Errorf("the names of all %d authorities take %d bytes, and a client can be told %d: name those alone that issue clients' certificates",
			count, size, mostNames)
	}
	return nil
}

// checkTime refuses authorities by which nothing can be verified any more.
func checkTime(list []*x509.Certificate, now time.Time) error {
	last := time.Time{}
	for _, c := range list {
		if c.NotAfter.After(last) {
			last = c.NotAfter
		}
	}
	if now.After(last) {
		return fmt.Errorf("no certificate in it is valid any more, the last expired on %s", date(last))
	}
	return nil
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
