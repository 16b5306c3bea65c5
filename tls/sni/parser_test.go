package sni

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParseHelloOfClients(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 5, 100, 1000, maxRecord} {
				mustParse(t, fmt.Sprintf("records of %d bytes", size), inRecords(s.bytes, size), s.want)
			}
			mustParse(t, "bytes behind it", append(bytes.Clone(s.bytes), "\x17\x03\x03 anything"...), s.want)
		})
	}
}

// TestDefaultHelloIsLong keeps the sample honest: with a post-quantum key share a hello does not fit one segment.
func TestDefaultHelloIsLong(t *testing.T) {
	if n := len(clientHello(t, &tls.Config{ServerName: "a.example"})); n < 1460 {
		t.Errorf("a default hello has %d bytes, want more than the 1460 of a segment", n)
	}
}

func mustParse(t *testing.T, how string, b []byte, want Hello) {
	t.Helper()
	var p Parser
	if got, err := p.Parse(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, %v, want %+v", how, got, err, want)
	}
}

// TestParseAtEveryByte gives a parser one byte more at a time. It must know at the last byte, and Need must never ask
// for too much.
func TestParseAtEveryByte(t *testing.T) {
	for _, s := range samples(t) {
		for _, size := range []int{1, 700, maxRecord} {
			t.Run(fmt.Sprintf("%s/records of %d bytes", s.name, size), func(t *testing.T) { parseByteByByte(t, inRecords(s.bytes, size), s.want) })
		}
	}
}

func parseByteByByte(t *testing.T, b []byte, want Hello) {
	var p Parser
	for n := range b {
		if _, err := p.Parse(b[:n]); err != ErrMore {
			t.Fatalf("after %d of %d bytes: got %v, want ErrMore", n, len(b), err)
		}
		if need := p.Need(); need < 1 || n+need > len(b) {
			t.Fatalf("after %d of %d bytes: needs %d more", n, len(b), need)
		}
		var fresh Parser
		if n%97 > 8 {
			continue
		}
		if fresh.Parse(b[:n]); fresh.Need() != p.Need() {
			t.Fatalf("after %d bytes: needs %d more, a parser that saw them at once %d", n, p.Need(), fresh.Need())
		}
	}
	got, err := p.Parse(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// TestNeedEndsWithTheHello: what follows it in its record is not waited for.
func TestNeedEndsWithTheHello(t *testing.T) {
	hello := build()
	b := record(append(bytes.Clone(hello[headerSize:]), "another message"...)...)
	var p Parser
	if _, err := p.Parse(b[:20]); err != ErrMore || p.Need() != len(hello)-20 {
		t.Errorf("got %v, needs %d, want ErrMore and %d", err, p.Need(), len(hello)-20)
	}
	mustParse(t, "all of the hello", b[:len(hello)], Hello{Versions: []uint16{0x0303}})
}

// TestNeedIsExact reads as much as Need says: a hello in one record takes four reads, if it comes in time.
func TestNeedIsExact(t *testing.T) {
	b := clientHello(t, &tls.Config{ServerName: "a.example"})
	var reads []int
	var p Parser
	for n := 0; ; n += p.Need() {
		if _, err := p.Parse(b[:n]); err == nil {
			break
		}
		reads = append(reads, p.Need())
	}
	if want := []int{1, 1, 7, len(b) - 9}; !reflect.DeepEqual(reads, want) {
		t.Errorf("needs %v, want %v", reads, want)
	}
}

func TestParseRefuses(t *testing.T) {
	good := clientHello(t, &tls.Config{ServerName: "a.example"})
	with := func(at int, bytes ...byte) []byte {
		return append(append(append([]byte{}, good[:at]...), bytes...), good[min(len(good), at+len(bytes)):]...)
	}
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"HTTP", []byte("G"), ErrNotTLS},
		{"SSH", []byte("S"), ErrNotTLS},
		{"SSL 2 hello", []byte{0x80}, ErrNotTLS},
		{"a byte that TLS begins with, and another", []byte{0x16, 'x'}, ErrNotTLS},
		{"an alert", []byte{0x15, 3}, ErrMalformed},
		{"an alert of another version", []byte{0x15, 2, 0, 0, 2}, ErrMalformed},
		{"a byte that alerts begin with, and others", []byte{0x15, 2, 0, 1, 0}, ErrNotTLS},
		{"a byte that alerts begin with, and another", []byte{0x15, 0x10}, ErrNotTLS},
		{"data", []byte{0x17, 3}, ErrMalformed},
		{"ChangeCipherSpec", []byte{0x14, 3}, ErrMalformed},
		{"a byte that data begins with, and another", []byte{0x17, 2}, ErrNotTLS},
		{"handshake record of SSL 2.0 and no hello", []byte{0x16, 2, 0, 0, 4, 2}, ErrNotTLS},
		{"long handshake record of SSL 2.0", []byte{0x16, 2, 0, 0x40, 1}, ErrNotTLS},
		{"empty handshake record of SSL 2.0", []byte{0x16, 2, 0, 0, 0}, ErrMalformed},
		{"a PostgreSQL SSLRequest", []byte{0}, ErrNotTLS},
		{"a server hello", with(5, 2)[:6], ErrMalformed},
		{"record of no bytes", with(3, 0, 0)[:5], ErrMalformed},
		{"record of 65,535 bytes", with(3, 0xff, 0xff)[:5], ErrMalformed},
		{"alert between its records", append(inRecords(good, 100)[:105], 0x15), ErrMalformed},
		{"16 MiB", with(6, 0xff)[:9], ErrTooLarge},
		{"one byte too long for 64 KiB", record(1, 0, 0xff, 0xe9)[:9], ErrTooLarge},
		{"shorter than any", record(1, 0, 0, 1, 3), ErrMalformed},
		{"session id that overruns", with(43, 0xff, 0xff), ErrMalformed},
		{"a length of no hello", with(6, 0, 0, 20), ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p Parser
			h, err := p.Parse(c.b)
			if !errors.Is(err, c.want) || !reflect.DeepEqual(h, Hello{}) {
				t.Errorf("got %+v, %v, want nothing and %v", h, err, c.want)
			}
		})
	}
}

// TestLongestHello: what fits MaxSize passes, to the byte.
func TestLongestHello(t *testing.T) {
	hello := build(ext(21, make([]byte, 65300)))
	room := MaxSize - len(inRecords(hello, maxRecord))
	longest := build(ext(21, make([]byte, 65300+room)))
	for n, want := range map[int]error{0: nil, 1: ErrTooLarge} {
		b := inRecords(build(ext(21, make([]byte, 65300+room+n))), maxRecord)
		var p Parser
		if _, err := p.Parse(b[:min(len(b)-1, 100)]); want != nil && err != want {
			t.Errorf("%d bytes, first 100: got %v, want %v", len(b), err, want)
		}
	}
	mustParse(t, "64 KiB", inRecords(longest, maxRecord), Hello{Versions: []uint16{0x0303}})
	almost := inRecords(longest, maxRecord)
	almost = almost[:len(almost)-1]
	if _, err := new(Parser).Parse(almost); err != ErrMore {
		t.Errorf("64 KiB but for a byte: got %v, want ErrMore", err)
	}
	// In records of one byte the same hello takes six times as much.
	tiny := inRecords(longest, 1)
	var p Parser
	if _, err := p.Parse(tiny[:100]); err != ErrTooLarge {
		t.Errorf("the same in tiny records: got %v, want %v", err, ErrTooLarge)
	}
}

func TestParseExtensions(t *testing.T) {
	name := func(s string) []byte { return ext(extServerName, vector16(append([]byte{0, 0, byte(len(s))}, s...))) }
	legacy := []uint16{0x0303}
	for _, c := range []struct {
		name string
		b    []byte
		want Hello
		err  error
	}{
		{"none", build(), Hello{Versions: legacy}, nil},
		{"address of version 6", build(name("2001:db8::1")), Hello{Versions: legacy}, nil},
		{"address of version 4", build(name("192.0.2.1")), Hello{Versions: legacy}, nil},
		{"name that begins like an address", build(name("192.0.2.1.example")), Hello{ServerName: "192.0.2.1.example", Versions: legacy}, nil},
		{"address in brackets", build(name("[2001:db8::1]")), Hello{Odd: true, Versions: legacy}, nil},
		{"address with a zone", build(name("fe80::1%a.example")), Hello{Odd: true, Versions: legacy}, nil},
		{"part of an address", build(name("192.0.2")), Hello{Odd: true, Versions: legacy}, nil},
		{"name and port", build(name("a.example:443")), Hello{Odd: true, Versions: legacy}, nil},
		{"name and NUL", build(name("a.example\x00")), Hello{Odd: true, Versions: legacy}, nil},
		{"name and blank", build(name("a.example ")), Hello{Odd: true, Versions: legacy}, nil},
		{"name in letters that are not ASCII", build(name("\uff41.example")), Hello{Odd: true, Versions: legacy}, nil},
		{"name with a dot at its end", build(name("A.example.")), Hello{ServerName: "a.example", Dotted: true, Versions: legacy}, nil},
		{"name with two dots at its end", build(name("a.example..")), Hello{Odd: true, Versions: legacy}, nil},
		{"dot", build(name(".")), Hello{Odd: true, Versions: legacy}, nil},
		{"log forging", build(name("a.example\nb")), Hello{Odd: true, Versions: legacy}, nil},
		{"wildcard", build(name("*.example.com")), Hello{Odd: true, Versions: legacy}, nil},
		{"longest name and dot", build(name(longName + ".")), Hello{ServerName: longName, Dotted: true, Versions: legacy}, nil},
		{"longer name", build(name(longName + "a.")), Hello{Odd: true, Versions: legacy}, nil},
		{"other kind of name first", build(ext(extServerName, vector16([]byte("\x07\x00\x01x\x00\x00\x01a")))), Hello{ServerName: "a", Versions: legacy}, nil},
		{"two names", build(ext(extServerName, vector16([]byte("\x00\x00\x01a\x00\x00\x01b")))), Hello{}, ErrMalformed},
		{"empty name", build(name("")), Hello{}, ErrMalformed},
		{"name list of nothing", build(ext(extServerName, vector16(nil))), Hello{}, ErrMalformed},
		{"name that overruns its list", build(ext(extServerName, vector16([]byte("\x00\x00\x09a")))), Hello{}, ErrMalformed},
		{"name twice", build(name("a"), name("a")), Hello{}, ErrMalformed},
		{"unknown twice", build(ext(99, nil), ext(99, nil)), Hello{Versions: legacy}, nil},
		{"empty protocol", build(ext(extALPN, vector16([]byte{0}))), Hello{}, ErrMalformed},
		{"protocol that overruns", build(ext(extALPN, vector16([]byte("\x03h2")))), Hello{}, ErrMalformed},
		{"no protocol", build(ext(extALPN, vector16(nil))), Hello{}, ErrMalformed},
		{"half a version", build(ext(extSupportedVersions, []byte{1, 3})), Hello{}, ErrMalformed},
		{"GREASE", build(ext(extSupportedVersions, []byte{4, 0xda, 0xda, 3, 4})), Hello{Versions: []uint16{0xdada, 0x0304}}, nil},
		{"extension that overruns", build([]byte{0, 99, 0, 1}), Hello{}, ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{1, maxRecord} {
				var p Parser
				if got, err := p.Parse(inRecords(c.b, size)); !errors.Is(err, c.err) || !reflect.DeepEqual(got, c.want) {
					t.Errorf("records of %d bytes: got %+v, %v, want %+v, %v", size, got, err, c.want, c.err)
				}
			}
		})
	}
}

// longName has the 253 bytes of the longest DNS name.
var longName = strings.Repeat("a23456789.", 25) + "abc"

// build returns a hello, in one record that may be too long, with the extensions given.
func build(extensions ...[]byte) []byte {
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0, 0, 2, 0x13, 1, 1, 0)
	if len(extensions) > 0 {
		body = append(body, vector16(bytes.Join(extensions, nil))...)
	}
	return record(append([]byte{1, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)...)
}

func record(b ...byte) []byte { return append([]byte{typeHandshake, 3, 1}, vector16(b)...) }

func ext(kind int, b []byte) []byte {
	return append([]byte{byte(kind >> 8), byte(kind)}, vector16(b)...)
}

func vector16(b []byte) []byte { return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...) }

// TestParseAllocates: the name, the protocols (one string, one slice) and the versions; while more is needed, nothing.
func TestParseAllocates(t *testing.T) {
	b := clientHello(t, &tls.Config{ServerName: "a.example", NextProtos: []string{"h2", "http/1.1"}})
	for n, want := range map[int]float64{len(b): 4, len(b) - 1: 0, 1: 0} {
		if got := testing.AllocsPerRun(100, func() { new(Parser).Parse(b[:n]) }); got != want {
			t.Errorf("%d bytes: %v allocations, want %v", n, got, want)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	hello := clientHello(b, &tls.Config{ServerName: "a.example", NextProtos: []string{"h2", "http/1.1"}})
	for _, size := range []int{maxRecord, 1} {
		b.Run(fmt.Sprintf("records of %d bytes", size), func(b *testing.B) {
			hello := inRecords(hello, size)
			b.ReportAllocs()
			for b.Loop() {
				var p Parser
				if _, err := p.Parse(hello); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
