package sni

const (
	headerSize  = 5       // type, version, length (RFC 8446, section 5.1)
	messageSize = 4       // type, length of a handshake message (RFC 8446, section 4)
	maxRecord   = 1 << 14 // bytes in a record that is not encrypted

	typeClientHello = 1
	majorVersion    = 3

	// strangeVersion is the lowest major version that no server takes for TLS. crypto/tls reads all below; OpenSSL
	// reads 3 alone.
	strangeVersion = 0x10
)

// Types of records (RFC 8446, section 5.1; RFC 6520).
const (
	typeChangeCipherSpec = 20
	typeAlert            = 21
	typeHandshake        = 22
	typeHeartbeat        = 24
)

// A Parser reads one ClientHello from the bytes that a client has sent so far. The zero value is ready. It remembers
// how far it has read. So a hello that arrives byte by byte, in records of one byte, costs no more than one that
// arrives whole.
type Parser struct {
	at   int // where in the connection the next record begins
	have int // handshake bytes before it
	size int // of the message with its header; 0: not known yet
	need int
}

// Parse reads b, which is everything that the client has sent: the bytes of earlier calls, and more. It returns ErrMore
// until the hello is complete, ErrNotTLS at the first byte that can't be TLS, ErrTooLarge as soon as the hello can't
// end within MaxSize, or an ErrMalformed. It does not read what follows the hello. The Hello contains no part of b.
func (p *Parser) Parse(b []byte) (Hello, error) {
	p.need = 1
	if err := checkStart(b); err != nil {
		return Hello{}, err
	}
	p.need = 0
	if err := p.assemble(b); err != nil {
		return Hello{}, err
	}
	c := cursor{b: b, left: p.size}
	c.skip(messageSize)
	return readHello(&c)
}

// Need returns how many more bytes the hello has at least, after Parse has returned ErrMore. As long as it is uncertain
// whether this is TLS, it is 1: a client of another protocol may have sent all that it will.
func (p *Parser) Need() int { return p.need }

// checkStart refuses bytes that a ClientHello can't begin with. It returns ErrMore where it is too early to tell. It
// never returns ErrNotTLS for what some server takes for TLS: some ignore an alert before the hello, and some read
// records of any version, as the version must be ignored (RFC 8446, section 5.1).
func checkStart(b []byte) error {
	switch {
	case len(b) == 0:
		return nil
	case b[0] < typeChangeCipherSpec || b[0] > typeHeartbeat || len(b) > 1 && b[1] >= strangeVersion:
		return notTLS(b)
	case b[0] == typeHandshake && (len(b) == 1 || b[1] == majorVersion):
		return nil
	case b[0] == typeHandshake:
		return checkStrange(b)
	case len(b) == 1 || b[0] == typeAlert && b[1] != majorVersion && len(b) < headerSize:
		return ErrMore
	case b[0] == typeAlert && (b[1] == majorVersion || b[3] == 0 && b[4] == 2):
		return errAlertFirst
	case b[1] == majorVersion:
		return unexpected("another record comes before it")
	}
	return notTLS(b)
}

// checkStrange is checkStart for a handshake record of another major version. It is TLS only if a ClientHello begins in
// it.
func checkStrange(b []byte) error {
	length := 0
	if len(b) >= headerSize {
		length = int(b[3])<<8 | int(b[4])
	}
	if len(b) >= headerSize && length > maxRecord ||
		len(b) > headerSize && length > 0 && b[headerSize] != typeClientHello {
		return notTLS(b)
	}
	return nil
}

// assemble reads the record headers until the message is complete.
func (p *Parser) assemble(b []byte) error {
	for {
		rest := b[min(p.at, len(b)):]
		length, err := readHeader(rest)
		if err != nil {
			return err
		}
		got := min(length, max(0, len(rest)-headerSize))
		if err := p.learnSize(b, p.have+got); err != nil {
			return err
		}
		if p.size > 0 && p.have+got >= p.size {
			return nil
		}
		if length == 0 || got < length {
			return p.more(b, length)
		}
		p.at += headerSize + length
		p.have += length
	}
}

// readHeader returns the length in the record header at the start of b, 0 while the header is not complete.
func readHeader(b []byte) (length int, err error) {
	if len(b) > 0 && b[0] != typeHandshake || len(b) > 1 && b[1] >= strangeVersion {
		return 0, unexpected("another record comes between its parts")
	}
	if len(b) < headerSize {
		return 0, nil
	}
	length = int(b[3])<<8 | int(b[4])
	switch {
	case length == 0:
		return 0, unexpected("a record of it is empty") // RFC 8446, section 5.1
	case length > maxRecord:
		return 0, overlong("a record of it has more than 16,384 bytes")
	}
	return length, nil
}

// learnSize reads the message's header. have is how many bytes of the message are there.
func (p *Parser) learnSize(b []byte, have int) error {
	if p.size > 0 || have == 0 {
		return nil
	}
	c := cursor{b: b, left: have}
	if c.uint8() != typeClientHello {
		return unexpected("the first message is another one")
	}
	if have < messageSize {
		return nil
	}
	p.size = messageSize + c.uint8()<<16 + c.uint16()
	return nil
}

// more returns ErrMore, and computes how many bytes the hello still has at least: the rest of this record, of the given
// length (0: its header is not complete), and the fewest records for what is missing then.
func (p *Parser) more(b []byte, length int) error {
	end, missing := p.at, max(p.size, messageSize)-p.have
	if length > 0 {
		end += headerSize + min(length, missing)
		missing -= min(length, missing)
	}
	end += missing + headerSize*((missing+maxRecord-1)/maxRecord)
	if end > MaxSize {
		return ErrTooLarge
	}
	p.need = end - len(b)
	if len(b) < 2 {
		p.need = 1
	}
	return ErrMore
}
