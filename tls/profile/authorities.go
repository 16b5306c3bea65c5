package profile

import (
	"crypto/x509"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"forebay/tls/file"
)

// Authorities are the authorities that certificates are verified by. They come from PEM files, which are read again
// when they change. Some in a file may have expired, as is common among those of a system, but not all. The nil
// Authorities are those of the system.
type Authorities struct {
	asked bool // clients are told their names
	files []*authorityFile
	set   atomic.Pointer[authoritySet]

	mu      sync.Mutex
	changed []func()
}

// An authoritySet is the content of all files at one moment.
type authoritySet struct {
	list []*x509.Certificate
	pool *x509.CertPool
}

// An authorityFile is one of the files.
type authorityFile struct {
	of   *Authorities
	file watched[[]*x509.Certificate]
}

// LoadAuthorities reads the files of authorities for backends. The error is that of the first bad file.
func LoadAuthorities(paths ...string) (*Authorities, error) { return new(Authorities).load(paths) }

// LoadClientAuthorities reads the files of authorities for clients. Clients are told the names of these, so there must
// not be too many.
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

// List returns all authorities, in the order of the files. The caller must not change it.
func (a *Authorities) List() []*x509.Certificate {
	if a == nil {
		return nil
	}
	return a.set.Load().list
}

// Pool returns all authorities as crypto/tls takes them: nil means those of the system.
func (a *Authorities) Pool() *x509.CertPool {
	if a == nil {
		return nil
	}
	return a.set.Load().pool
}

// Files returns the files, for Watch.
func (a *Authorities) Files() (all []File) {
	if a == nil {
		return nil
	}
	for _, f := range a.files {
		all = append(all, f)
	}
	return all
}

// WhenChanged has f called each time that the authorities have changed, when the new ones are in use. The goroutine
// that checks the files calls it, without locks held.
func (a *Authorities) WhenChanged(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed = append(a.changed, f)
}

// gather takes the authorities of all files into use.
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

// mostNames is how many bytes the names of authorities for a client may take (RFC 8446, section 4.2.4). The length of
// their list is a number of two bytes. In TLS 1.3 so is that of all extensions of the request together; the others take
// less than 512 bytes.
const mostNames = 1<<16 - 1 - 512

// checkNames says why a client can't be told the names of list and of the other files: there are too many. crypto/tls
// would fail every handshake.
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

// checkTime refuses authorities that have all expired.
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
