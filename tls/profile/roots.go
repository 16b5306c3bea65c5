package profile

import (
	"crypto/x509"
	"fmt"
	"time"

	"forebay/file"
)

// Certificates reads all certificates of PEM files: what clients or backends are verified by. Some in a file may have expired by now, as is
// common among those of a system, but not all.
func Certificates(now time.Time, files ...string) (list []*x509.Certificate, err error) {
	for _, path := range files {
		some, err := certificatesOf(path)
		if err == nil {
			err = checkTime(path, some, now)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// checkTime refuses a file by which nothing can be verified any more.
func checkTime(path string, list []*x509.Certificate, now time.Time) error {
	last := time.Time{}
	for _, c := range list {
		if c.NotAfter.After(last) {
			last = c.NotAfter
		}
	}
	if now.After(last) {
		return fmt.Errorf("%s: no certificate in it is valid any more, the last expired on %s", path, date(last))
	}
	return nil
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

func certificatesOf(path string) (list []*x509.Certificate, err error) {
	text, err := file.Read(path)
	if err != nil {
		return nil, err
	}
	if list, err = file.Certificates(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// Pool returns a pool of list, for Backend.Roots.
func Pool(list []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range list {
		pool.AddCert(c)
	}
	return pool
}
