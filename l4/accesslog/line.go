package accesslog

import (
	"strconv"
	"time"

	"forebay/l4"
	"forebay/pool"
)

// A line is one line of the log as it grows; each method returns it with one field more. It is a value so that its text
// can stay on the caller's stack.
type line struct {
	text   []byte
	format Format
}

// appendRecord appends the line of r, with its newline.
func appendRecord(b []byte, f Format, r *l4.Record) []byte {
	return line{b, f}.begin(r.Start).
		number("session", r.ID).
		string("cause", r.Cause.String()).
		string("fault", r.Fault).
		given("listener", r.Listener).
		address("client", r.Client).
		address("via", r.Via).
		address("local", r.Local).
		given("route", r.Route).
		string("server_name", r.ServerName).
		given("backend", r.Backend).
		address("address", r.Address).
		tries("tries", r.Tries).
		seconds("queue", r.Queue).
		seconds("connect", r.Connect).
		seconds("first_byte", firstByte(r)).
		seconds("total", r.Total).
		number("from_client", r.FromClient).
		number("to_backend", r.ToBackend).
		number("from_backend", r.FromBackend).
		number("to_client", r.ToClient).
		seconds("client_rtt", known(r.ClientTCP.RTT)).
		number("client_retransmits", uint64(r.ClientTCP.Retransmits)).
		number("client_unacked", r.ClientTCP.Unacked).
		seconds("backend_rtt", known(r.BackendTCP.RTT)).
		number("backend_retransmits", uint64(r.BackendTCP.Retransmits)).
		number("backend_unacked", r.BackendTCP.Unacked).
		tls("client_tls", &r.ClientTLS).
		tls("backend_tls", &r.BackendTLS).
		string("unique_id", r.UniqueID).
		end()
}

// appendLost appends the line that says how many are missing.
func appendLost(b []byte, f Format, now time.Time, lost uint64) []byte {
	return line{b, f}.begin(now).number("lost", lost).end()
}

// absent is a duration that does not apply.
const absent time.Duration = -1

// firstByte is absent for a session that never had a backend, whatever its Record holds.
func firstByte(r *l4.Record) time.Duration {
	if r.Backend == "" {
		return absent
	}
	return r.FirstByte
}

// known makes a round trip time that the kernel does not know absent; a real one is never zero.
func known(rtt time.Duration) time.Duration {
	if rtt == 0 {
		return absent
	}
	return rtt
}

func (l line) begin(at time.Time) line {
	if l.format == JSON {
		l.text = append(l.text, `{"time":"`...)
		l.text = append(appendTime(l.text, at), '"')
		return l
	}
	l.text = appendTime(append(l.text, "time="...), at)
	return l
}

func (l line) end() []byte {
	if l.format == JSON {
		l.text = append(l.text, '}')
	}
	return append(l.text, '\n')
}

func (l line) key(name string) line {
	if l.format == JSON {
		if l.text[len(l.text)-1] != '{' {
			l.text = append(l.text, ',')
		}
		l.text = append(append(append(l.text, '"'), name...), `":`...)
		return l
	}
	l.text = append(append(append(l.text, ' '), name...), '=')
	return l
}

// null notes that a field does not apply.
func (l line) null(name string) line {
	if l.format == JSON {
		l = l.key(name)
		l.text = append(l.text, "null"...)
	}
	return l
}

func (l line) number(name string, n uint64) line {
	l = l.key(name)
	l.text = strconv.AppendUint(l.text, n, 10)
	return l
}

func (l line) seconds(name string, d time.Duration) line {
	if d < 0 {
		return l.null(name)
	}
	l = l.key(name)
	l.text = appendSeconds(l.text, d)
	return l
}

// string writes a text that others may have made, of MostText bytes at most.
func (l line) string(name, s string) line {
	if s == "" {
		return l.null(name)
	}
	l = l.key(name)
	l.text = appendText(l.text, l.format, s, MostText)
	return l
}

// given writes all of a text that the operator has given.
func (l line) given(name, s string) line {
	if s == "" {
		return l.null(name)
	}
	l = l.key(name)
	l.text = appendText(l.text, l.format, s, whole)
	return l
}

// address treats as a text what an operator or a client may have named: a path, a zone. Other addresses need no
// escaping.
func (l line) address(name string, a pool.Address) line {
	switch {
	case a.IsZero():
		return l.null(name)
	case a.IsUNIX() || a.TCP().Addr().Zone() != "":
		return l.string(name, a.String())
	}
	l = l.key(name)
	if l.format == JSON {
		l.text = append(a.AppendTo(append(l.text, '"')), '"')
		return l
	}
	l.text = a.AppendTo(l.text)
	return l
}

func (l line) tries(name string, tries []l4.Try) line {
	if len(tries) == 0 {
		return l.null(name)
	}
	l = l.key(name)
	for i := range tries {
		if l.format == JSON {
			l.text = append(l.text, "[,"[min(i, 1)])
			l = l.tryJSON(&tries[i])
			continue
		}
		if i > 0 {
			l.text = append(l.text, ',')
		}
		l.text = appendTryText(l.text, &tries[i])
	}
	if l.format == JSON {
		l.text = append(l.text, ']')
	}
	return l
}

func (l line) tryJSON(t *l4.Try) line {
	l.text = append(l.text, '{')
	l = l.given("backend", t.Backend).address("address", t.Address).string("result", t.Result.String()).
		seconds("took", t.Took).string("fault", t.Fault)
	l.text = append(l.text, '}')
	return l
}

func appendTryText(b []byte, t *l4.Try) []byte {
	b = append(appendText(b, Text, t.Backend, whole), '/')
	b = append(append(b, t.Result.String()...), '/')
	b = appendSeconds(b, max(t.Took, 0))
	if t.Fault == "" {
		return b
	}
	return appendText(append(b, '/'), Text, t.Fault, MostText)
}

// appendTime appends t in UTC as 2006-01-02T15:04:05.000000Z; by hand, at a third of AppendFormat's price.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(appendPair(appendPair(b, year/100), year%100), '-')
	b = append(appendPair(b, int(month)), '-')
	b = append(appendPair(b, day), 'T')
	b = append(appendPair(b, hour), ':')
	b = append(appendPair(b, minute), ':')
	b = append(appendPair(b, second), '.')
	return append(appendMicroseconds(b, t.Nanosecond()), 'Z')
}

// appendSeconds appends d, which is not negative, in seconds with six decimals, rounded down.
func appendSeconds(b []byte, d time.Duration) []byte {
	b = append(strconv.AppendInt(b, int64(d/time.Second), 10), '.')
	return appendMicroseconds(b, int(d%time.Second))
}

// appendMicroseconds appends a part of a second, given in nanoseconds, as six digits.
func appendMicroseconds(b []byte, part int) []byte {
	n := part / 1000
	return appendPair(appendPair(appendPair(b, n/10000), n/100%100), n%100)
}

// appendPair appends n, from 0 to 99, as two digits.
func appendPair(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }
