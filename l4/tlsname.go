package l4

// The names of the parts of TLS, as PROXY headers have them. They are those that HAProxy takes from OpenSSL, as
// receivers compare with them. Where HAProxy has none they are those of the IANA registry "TLS Parameters". What has no
// name is "", and is not told.

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"strconv"
	"strings"
	"sync"
)

// versionName names a TLS version.
func versionName(v uint16) string {
	switch v {
	case tls.VersionTLS10:
		return "TLSv1"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return ""
}

// cipherName names a cipher suite.
func cipherName(suite uint16) string { return cipherNames()[suite] }

// cipherNames holds the names of all that crypto/tls has.
var cipherNames = sync.OnceValue(func() map[uint16]string {
	names := make(map[uint16]string)
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		names[c.ID] = opensslName(c.Name)
	}
	return names
})

// opensslName turns the registry's name of a cipher suite into OpenSSL's. For TLS 1.3 the two are the same. For the
// others openssl-ciphers(1) says how one follows from the other.
func opensslName(name string) string {
	exchange, cipher, old := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	switch {
	case !old:
		return name
	case exchange != "RSA":
		cipher = exchange + "_" + cipher
	}
	return strings.NewReplacer("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "3DES_EDE_CBC", "DES-CBC3",
		"RC4_128", "RC4", "AES_", "AES", "_CBC", "", "_", "-").Replace(cipher)
}

// signatureName names the algorithm that a certificate is signed with.
func signatureName(a x509.SignatureAlgorithm) string {
	switch a {
	case x509.SHA1WithRSA:
		return "RSA-SHA1"
	case x509.SHA256WithRSA:
		return "RSA-SHA256"
	case x509.SHA384WithRSA:
		return "RSA-SHA384"
	case x509.SHA512WithRSA:
		return "RSA-SHA512"
	case x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS:
		return "RSASSA-PSS"
	case x509.ECDSAWithSHA1:
		return "ecdsa-with-SHA1"
	case x509.ECDSAWithSHA256:
		return "ecdsa-with-SHA256"
	case x509.ECDSAWithSHA384:
		return "ecdsa-with-SHA384"
	case x509.ECDSAWithSHA512:
		return "ecdsa-with-SHA512"
	case x509.PureEd25519:
		return "ED25519"
	}
	return ""
}

// keyName names the kind of a certificate's key and its size in bits. HAProxy has no name for an Ed25519 key.
func keyName(public any) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return "RSA" + strconv.Itoa(k.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC" + strconv.Itoa(k.Curve.Params().BitSize)
	case ed25519.PublicKey:
		return "ED25519"
	}
	return ""
}

// groupName names a key exchange as the registry's TLS Supported Groups do.
func groupName(g tls.CurveID) string {
	switch g {
	case tls.CurveP256:
		return "secp256r1"
	case tls.CurveP384:
		return "secp384r1"
	case tls.CurveP521:
		return "secp521r1"
	case tls.X25519:
		return "x25519"
	case tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024:
		return g.String()
	}
	return ""
}

// schemeName names the SignatureScheme for which crypto/tls asks a key to sign with opts. From TLS 1.3 on the curve of
// an ECDSA key is the one in the name; in TLS 1.2 the same number means the hash alone (RFC 8446, section 4.2.3).
func schemeName(public crypto.PublicKey, opts crypto.SignerOpts) string {
	hash := opts.HashFunc()
	digest := strings.ToLower(strings.ReplaceAll(hash.String(), "-", ""))
	switch public.(type) {
	case ed25519.PublicKey:
		return "ed25519"
	case *ecdsa.PublicKey:
		return ecdsaScheme(hash)
	case *rsa.PublicKey:
		if _, ok := opts.(*rsa.PSSOptions); ok {
			return "rsa_pss_rsae_" + digest
		}
		return "rsa_pkcs1_" + digest
	}
	return ""
}

func ecdsaScheme(hash crypto.Hash) string {
	switch hash {
	case crypto.SHA1:
		return "ecdsa_sha1"
	case crypto.SHA256:
		return "ecdsa_secp256r1_sha256"
	case crypto.SHA384:
		return "ecdsa_secp384r1_sha384"
	case crypto.SHA512:
		return "ecdsa_secp521r1_sha512"
	}
	return ""
}
