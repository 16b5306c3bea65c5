package profile

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

// Certificates reads all certificates of PEM files: what clients or backends are verified by.
func Certificates(files ...string) (list []*x509.Certificate, err error) {
	for _, file := range files {
		some, err := certificatesOf(file)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

func certificatesOf(file string) (list []*x509.Certificate, err error) {
	text, err := os.ReadFile(file)
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
