package profile

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hpke"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"forebay/tls/file"
)

// ECH is the keys for Encrypted Client Hello (RFC 9849), from a file in the format of RFC 9934: for each key a PRIVATE
// KEY and then its ECHCONFIG. All keys decrypt. A client with a key that is not among them is told the first one.
type ECH struct {
	file watched[[]tls.EncryptedClientHelloKey]
}

// LoadECH reads the file. fit is called with each of its public names, now and whenever the file has changed. If it
// returns an error, the file is not used.
func LoadECH(path string, fit func(publicName string) error) (*ECH, error) {
	e := new(ECH)
	parse := func(text []byte) ([]tls.EncryptedClientHelloKey, error) {
		keys, err := parseECH(text)
		if err != nil {
			return nil, err
		}
		for _, name := range publicNames(keys) {
			if err := fit(name); err != nil {
				return nil, err
			}
		}
		return keys, nil
	}
	if err := e.file.open(path, parse); err != nil {
		return nil, err
	}
	return e, nil
}

// Check reads the file again if it has changed.
func (e *ECH) Check() (Event, bool) { return e.file.check() }

// keys is a tls.Config.GetEncryptedClientHelloKeys.
func (e *ECH) keys(*tls.ClientHelloInfo) ([]tls.EncryptedClientHelloKey, error) {
	return *e.file.value.Load(), nil
}

// PublicNames returns the names that clients of these keys send in clear, in the file's order, each once. A client with
// an old key learns the new one in a handshake with a certificate for that name.
func (e *ECH) PublicNames() []string { return publicNames(*e.file.value.Load()) }

func publicNames(keys []tls.EncryptedClientHelloKey) (names []string) {
	for _, k := range keys {
		c, _ := readECHConfig(k.Config) // it was read without error before
		if !slices.Contains(names, c.publicName) {
			names = append(names, c.publicName)
		}
	}
	return names
}

const (
	pemKey     = "PRIVATE KEY"
	pemConfigs = "ECHCONFIG"
)

func parseECH(text []byte) (keys []tls.EncryptedClientHelloKey, err error) {
	var private []byte // DER of the last key
	blocks, err := file.Blocks(text)
	if err != nil {
		return nil, err
	}
	for _, block := range blocks {
		switch {
		case block.Type == pemKey && private == nil:
			private = block.Bytes
		case block.Type == pemConfigs && private != nil:
			key, err := echKey(private, block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", block.Line, err)
			}
			key.SendAsRetry = len(keys) == 0
			keys, private = append(keys, key), nil
		default:
			return nil, fmt.Errorf("line %d: %s in the wrong place: each PRIVATE KEY must be followed by its ECHCONFIG",
				block.Line, block.Type)
		}
	}
	if len(keys) == 0 || private != nil {
		return nil, errors.New("a PRIVATE KEY followed by its ECHCONFIG is missing in it")
	}
	return keys, nil
}

// echKey joins a private key (PKCS #8) with its ECHConfigList, which must have exactly one configuration.
func echKey(der, list []byte) (key tls.EncryptedClientHelloKey, err error) {
	if len(list) < 2 || int(binary.BigEndian.Uint16(list)) != len(list)-2 {
		return key, errors.New("the ECHCONFIG is no ECHConfigList: its length is wrong")
	}
	config, err := readECHConfig(list[2:])
	if err != nil {
		return key, fmt.Errorf("the ECHCONFIG: %w", err)
	}
	private, err := ecdhKey(der)
	if err != nil {
		return key, err
	}
	kem, err := hpke.NewKEM(config.kem)
	if err != nil {
		return key, fmt.Errorf("the ECHCONFIG: %w", err)
	}
	if want := hpke.DHKEM(private.Curve()).ID(); kem.ID() != want ||
		!bytes.Equal(private.PublicKey().Bytes(), config.public) {
		return key, errors.New("the private key is not that of the ECHCONFIG behind it")
	}
	return tls.EncryptedClientHelloKey{Config: list[2:], PrivateKey: private.Bytes()}, nil
}

// ecdhKey reads a private key for X25519 or a NIST curve.
func ecdhKey(der []byte) (*ecdh.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("the private key: %w", err)
	}
	switch key := key.(type) {
	case *ecdh.PrivateKey:
		return key, nil
	case *ecdsa.PrivateKey:
		return key.ECDH()
	}
	return nil, fmt.Errorf("the private key is a %T: one for X25519 or a NIST curve is right", key)
}

// An echConfig is the part of an ECHConfig (RFC 9849, section 4) that must fit the key, and the public name.
type echConfig struct {
	kem        uint16
	public     []byte
	publicName string
}

const echVersion = 0xfe0d

// readECHConfig reads b, which must be one ECHConfig and nothing else. With one that it can't read, crypto/tls would
// fail every client that uses ECH.
func readECHConfig(b []byte) (c echConfig, err error) {
	if len(b) < 4 || int(binary.BigEndian.Uint16(b[2:])) != len(b)-4 {
		return c, errors.New("one configuration for each key is right")
	}
	if v := binary.BigEndian.Uint16(b); v != echVersion {
		return c, fmt.Errorf("version %#x: %#x is right (RFC 9849)", v, echVersion)
	}
	r := vectors{b: b[4:]}
	r.fixed(1) // config_id
	kem := r.fixed(2)
	c.public = r.vector(2)
	suites := r.vector(2)
	r.fixed(1) // maximum_name_length
	name, _ := r.vector(1), r.vector(2)
	if r.broken || len(r.b) > 0 || len(suites) == 0 || len(suites)%4 != 0 || len(name) == 0 {
		return c, errors.New("a length in it does not fit")
	}
	c.kem, c.publicName = binary.BigEndian.Uint16(kem), string(name)
	return c, nil
}

// vectors reads vectors as TLS defines them (RFC 8446, section 3.4). A read past the end sets broken.
type vectors struct {
	b      []byte
	broken bool
}

func (r *vectors) fixed(n int) []byte {
	if n > len(r.b) {
		r.broken = true
		return make([]byte, n)
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

// vector reads a vector whose length field has size bytes.
func (r *vectors) vector(size int) []byte {
	n := 0
	for _, c := range r.fixed(size) {
		n = n<<8 | int(c)
	}
	return r.fixed(n)
}

// An ECHKey is a new key for Encrypted Client Hello. NewECHKey makes one.
type ECHKey struct {
	private *ecdh.PrivateKey
	configs []byte
}

// NewECHKey makes a key for X25519. publicName is the name that observers see in all hellos. There must be a
// certificate for it: with that, clients with an old configuration learn the new one.
func NewECHKey(publicName string) (*ECHKey, error) {
	if err := checkPublicName(publicName); err != nil {
		return nil, err
	}
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	var id [1]byte
	rand.Read(id[:])
	return &ECHKey{private, echConfigList(id[0], private.PublicKey().Bytes(), publicName)}, nil
}

// checkPublicName returns an error if clients would refuse name (RFC 9849, section 4). It must have labels of letters,
// digits and hyphens, and the last label must not be a number.
func checkPublicName(name string) error {
	labels := strings.Split(name, ".")
	bad := func(label string) bool {
		return label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != ""
	}
	last := labels[len(labels)-1]
	if len(name) > 253 || slices.ContainsFunc(labels, bad) || strings.Trim(last, "0123456789") == "" ||
		strings.HasPrefix(last, "0x") {
		return fmt.Errorf("%q is no public name: a DNS name is right, as www.example.com", name)
	}
	return nil
}

// maxNameLength is the length to which clients pad shorter names, so that the length tells nothing about most names.
const maxNameLength = 64

// echConfigList encodes an ECHConfigList (RFC 9849, section 4) of one configuration: X25519, HKDF-SHA256, and
// AES-128-GCM or ChaCha20-Poly1305, as the client chooses.
func echConfigList(id byte, public []byte, name string) []byte {
	put16 := binary.BigEndian.AppendUint16
	contents := put16([]byte{id}, hpke.DHKEM(ecdh.X25519()).ID())
	contents = append(put16(contents, uint16(len(public))), public...)
	contents = put16(contents, 8) // two suites
	for _, aead := range []hpke.AEAD{hpke.AES128GCM(), hpke.ChaCha20Poly1305()} {
		contents = put16(put16(contents, hpke.HKDFSHA256().ID()), aead.ID())
	}
	contents = append(contents, maxNameLength, byte(len(name)))
	contents = append(contents, name...)
	contents = put16(contents, 0) // no extensions
	list := put16(put16(put16(nil, uint16(len(contents)+4)), echVersion), uint16(len(contents)))
	return append(list, contents...)
}

// ConfigList returns the ECHConfigList for clients, as crypto/tls takes it.
func (k *ECHKey) ConfigList() []byte { return slices.Clone(k.configs) }

// DNS returns the parameter for the HTTPS and SVCB records of the names that the key is used for: "ech=…" (RFC 9848,
// section 3).
func (k *ECHKey) DNS() string { return "ech=" + base64.StdEncoding.EncodeToString(k.configs) }

// PEM returns the file that LoadECH reads.
func (k *ECHKey) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der})
	return append(key, pem.EncodeToMemory(&pem.Block{Type: pemConfigs, Bytes: k.configs})...), nil
}
