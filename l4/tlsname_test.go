package l4

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"testing"
)

func TestSignatureAndKeyNames(t *testing.T) {
	for _, test := range []struct {
		algorithm x509.SignatureAlgorithm
		public    any
		signature string
		key       string
	}{
		{x509.SHA1WithRSA, rsaSize(1024), "RSA-SHA1", "RSA1024"},
		{x509.SHA256WithRSA, rsaSize(3072), "RSA-SHA256", "RSA3072"},
		{x509.SHA384WithRSA, rsaSize(4096), "RSA-SHA384", "RSA4096"},
		{x509.SHA512WithRSA, rsaSize(4095), "RSA-SHA512", "RSA4095"},
		{x509.SHA384WithRSAPSS, rsaSize(2048), "RSASSA-PSS", "RSA2048"},
		{x509.ECDSAWithSHA1, &ecdsa.PublicKey{Curve: elliptic.P224()}, "ecdsa-with-SHA1", "EC224"},
		{x509.ECDSAWithSHA256, &ecdsa.PublicKey{Curve: elliptic.P256()}, "ecdsa-with-SHA256", "EC256"},
		{x509.ECDSAWithSHA384, &ecdsa.PublicKey{Curve: elliptic.P384()}, "ecdsa-with-SHA384", "EC384"},
		{x509.ECDSAWithSHA512, &ecdsa.PublicKey{Curve: elliptic.P521()}, "ecdsa-with-SHA512", "EC521"},
		{x509.PureEd25519, ed25519.PublicKey{}, "ED25519", "ED25519"},
		{x509.UnknownSignatureAlgorithm, netip.Addr{}, "", ""},
	} {
		if signature, key := signatureName(test.algorithm), keyName(test.public); signature != test.signature || key != test.key {
			t.Errorf("%v: %q and %q, want %q and %q", test.algorithm, signature, key, test.signature, test.key)
		}
	}
}

func TestVersionAndGroupNames(t *testing.T) {
	for v, want := range map[uint16]string{tls.VersionTLS10: "TLSv1", tls.VersionTLS11: "TLSv1.1", tls.VersionTLS12: "TLSv1.2",
		tls.VersionTLS13: "TLSv1.3", 0x0305: ""} {
		if got := versionName(v); got != want {
			t.Errorf("version %#x: got %q, want %q", v, got, want)
		}
	}
	for g, want := range map[tls.CurveID]string{tls.CurveP256: "secp256r1", tls.CurveP384: "secp384r1", tls.CurveP521: "secp521r1",
		tls.X25519: "x25519", tls.X25519MLKEM768: "X25519MLKEM768", tls.SecP256r1MLKEM768: "SecP256r1MLKEM768",
		tls.SecP384r1MLKEM1024: "SecP384r1MLKEM1024", 0: "", 9999: ""} {
		if got := groupName(g); got != want {
			t.Errorf("group %d: got %q, want %q", g, got, want)
		}
	}
}

// TestCipherNames goes through all that crypto/tls has. The names are those of `openssl ciphers -stdname
// ALL:@SECLEVEL=0`, and for the old ones that OpenSSL is mostly built without, those of openssl-ciphers(1).
func TestCipherNames(t *testing.T) {
	want := map[string]string{
		"TLS_AES_128_GCM_SHA256":                        "TLS_AES_128_GCM_SHA256",
		"TLS_AES_256_GCM_SHA384":                        "TLS_AES_256_GCM_SHA384",
		"TLS_CHACHA20_POLY1305_SHA256":                  "TLS_CHACHA20_POLY1305_SHA256",
		"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA":          "ECDHE-ECDSA-AES128-SHA",
		"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256":       "ECDHE-ECDSA-AES128-SHA256",
		"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256":       "ECDHE-ECDSA-AES128-GCM-SHA256",
		"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA":          "ECDHE-ECDSA-AES256-SHA",
		"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384":       "ECDHE-ECDSA-AES256-GCM-SHA384",
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
		"TLS_ECDHE_ECDSA_WITH_RC4_128_SHA":              "ECDHE-ECDSA-RC4-SHA",
		"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA":           "ECDHE-RSA-DES-CBC3-SHA",
		"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA":            "ECDHE-RSA-AES128-SHA",
		"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256":         "ECDHE-RSA-AES128-SHA256",
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256":         "ECDHE-RSA-AES128-GCM-SHA256",
		"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA":            "ECDHE-RSA-AES256-SHA",
		"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384":         "ECDHE-RSA-AES256-GCM-SHA384",
		"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256":   "ECDHE-RSA-CHACHA20-POLY1305",
		"TLS_ECDHE_RSA_WITH_RC4_128_SHA":                "ECDHE-RSA-RC4-SHA",
		"TLS_RSA_WITH_3DES_EDE_CBC_SHA":                 "DES-CBC3-SHA",
		"TLS_RSA_WITH_AES_128_CBC_SHA":                  "AES128-SHA",
		"TLS_RSA_WITH_AES_128_CBC_SHA256":               "AES128-SHA256",
		"TLS_RSA_WITH_AES_128_GCM_SHA256":               "AES128-GCM-SHA256",
		"TLS_RSA_WITH_AES_256_CBC_SHA":                  "AES256-SHA",
		"TLS_RSA_WITH_AES_256_GCM_SHA384":               "AES256-GCM-SHA384",
		"TLS_RSA_WITH_RC4_128_SHA":                      "RC4-SHA",
	}
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if got := cipherName(c.ID); got != want[c.Name] {
			t.Errorf("%s: got %q, want %q", c.Name, got, want[c.Name])
		}
	}
	if got := cipherName(0x9999); got != "" {
		t.Errorf("unknown: got %q, want none", got)
	}
}

func TestSchemeNames(t *testing.T) {
	curve := &ecdsa.PublicKey{Curve: elliptic.P256()}
	for _, test := range []struct {
		public crypto.PublicKey
		opts   crypto.SignerOpts
		want   string
	}{
		{rsaSize(2048), &rsa.PSSOptions{Hash: crypto.SHA256}, "rsa_pss_rsae_sha256"},
		{rsaSize(2048), &rsa.PSSOptions{Hash: crypto.SHA512}, "rsa_pss_rsae_sha512"},
		{rsaSize(2048), crypto.SHA1, "rsa_pkcs1_sha1"},
		{rsaSize(2048), crypto.SHA384, "rsa_pkcs1_sha384"},
		{curve, crypto.SHA1, "ecdsa_sha1"},
		{curve, crypto.SHA256, "ecdsa_secp256r1_sha256"},
		{curve, crypto.SHA384, "ecdsa_secp384r1_sha384"},
		{curve, crypto.SHA512, "ecdsa_secp521r1_sha512"},
		{curve, crypto.SHA224, ""},
		{ed25519.PublicKey{}, crypto.Hash(0), "ed25519"},
		{"none", crypto.SHA256, ""},
	} {
		if got := schemeName(test.public, test.opts); got != test.want {
			t.Errorf("%T, %v: got %q, want %q", test.public, test.opts, got, test.want)
		}
	}
}
