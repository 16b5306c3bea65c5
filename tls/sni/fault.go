package sni

import "errors"

// malformed is an ErrMalformed that says what is wrong: a field is out of range, or a length does not fit. The errors
// here are constants, so that they allocate nothing.
type malformed string

func (m malformed) Error() string { return ErrMalformed.Error() + ": " + string(m) }

// Is makes errors.Is(m, ErrMalformed) true.
func (malformed) Is(target error) bool { return target == ErrMalformed }

// unexpected is an ErrMalformed for a record or a message in the wrong place.
type unexpected string

func (u unexpected) Error() string { return malformed(u).Error() }

// Is makes errors.Is(u, ErrMalformed) true.
func (unexpected) Is(target error) bool { return target == ErrMalformed }

// errAlertFirst is for a client that begins with an alert. Some servers ignore an alert that is only a warning.
const errAlertFirst = unexpected("an alert comes before it")

// overlong is an ErrMalformed for a record that is too long.
type overlong string

func (o overlong) Error() string { return malformed(o).Error() }

// Is makes errors.Is(o, ErrMalformed) true.
func (overlong) Is(target error) bool { return target == ErrMalformed }

// An Alert is the description of a TLS alert (RFC 8446, section 6). 0, which is close_notify there, means no alert
// here.
type Alert uint8

// Alerts that tell a client what is wrong with its ClientHello (RFC 8446, section 6.2).
const (
	UnexpectedMessage Alert = 10
	RecordOverflow    Alert = 22
	DecodeError       Alert = 50
	ProtocolVersion   Alert = 70
	UnrecognizedName  Alert = 112 // RFC 6066, section 3
)

// AlertFor returns the alert with which a server answers a hello that a Parser refused with err. It is 0 where the
// client does not speak TLS, and where the client began with an alert of its own, which is never answered.
func AlertFor(err error) Alert {
	if err == errAlertFirst {
		return 0
	}
	switch err.(type) {
	case malformed:
		return DecodeError
	case unexpected:
		return UnexpectedMessage
	case overlong:
		return RecordOverflow
	}
	switch {
	case errors.Is(err, ErrTooLarge):
		return DecodeError
	case err == errSSL2:
		return ProtocolVersion
	}
	return 0
}

// Record returns a as a fatal alert, in a record of a server that has not agreed on a version yet.
func (a Alert) Record() []byte {
	const fatal = 2
	return []byte{typeAlert, majorVersion, 1, 0, 2, fatal, byte(a)}
}
