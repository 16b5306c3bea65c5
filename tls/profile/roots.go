package profile

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"
)

// Certificates reads all certificates of PEM files: what clients or backends are verified by. Some in a file may have expired by now, as is
// common among those of a system, but not all.
func Certificates(now time.Time, files ...string) (list []*x509.Certificate, err error) {
	for _, file := range files {
		some, err := certificatesOf(file)
		if err == nil {
			err = checkTime(file, some, now)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// checkTime refuses a file by which nothing can be verified any more.
func checkTime(file string, list []*x509.Certificate, now time.Time) error {
	last := time.Time{}
	for _, c := range list {
		if c.NotAfter.After(last) {
			last = c.NotAfter
		}
	}
	if now.After(last) {
		return fmt.Errorf("%s: no certificate in it is valid any more, the last expired on %s", file, date(last))
	}
	return nil
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

func certificatesOf(file string) (list []*x509.Certificate, err error) {
	text, err := ReadFile(file)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s: %s among the certificates: only certificates are right here", file, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", file, len(list)+1, err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: no certificate in it (-----BEGIN CERTIFICATE-----)", file)
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
