package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// A Dialer opens the connections of probes, and starts their programs. The zero value is ready.
type Dialer struct {
	Header Header // sent before anything else, and before TLS
	// TLS is the configuration of probes that speak TLS. It is not changed: each handshake has a copy. Each handshake
	// is a full one, so that the certificate is verified again. nil: the server is verified by the system's roots. An
	// empty ServerName: it is verified by Target.Name.
	TLS *tls.Config
	// Roots returns the authorities that are trusted now, in place of those in TLS. nil: those in TLS are.
	Roots func() *x509.CertPool
	// Sources are the local addresses of connections. nil: the kernel chooses.
	Sources *Sources
	// Dial opens a connection, as net.Dialer.DialContext does. nil: that method does, with Sources.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Children collects the processes that programs leave behind. nil: they are not collected.
	Children *Children
}

const (
	// leaveWithin bounds how long a probe waits for the server's end after its own verdict.
	leaveWithin = time.Second
	// leaveBytes bounds what is read in that time. With more bytes than that the close is a reset, since some were left
	// unread (RFC 2525, section 2.17).
	leaveBytes = 64 << 10
)

// plainly asks t over a connection without TLS. ask returns what was wrong, nil if the server is up.
func (d Dialer) plainly(ctx context.Context, t Target, ask func(*talk) error) Result {
	return d.talk(ctx, t, nil, ask)
}

// securely is plainly over TLS. ALPN offers protocols; nil: those of the Config.
func (d Dialer) securely(ctx context.Context, t Target, protocols []string, ask func(*talk) error) Result {
	if err := t.verifiable(d.TLS); err != nil {
		return Result{Err: err}
	}
	config := new(tls.Config)
	if d.TLS != nil {
		config = d.TLS.Clone()
	}
	config.ClientSessionCache = nil
	if d.Roots != nil {
		config.RootCAs = d.Roots()
	}
	if protocols != nil {
		config.NextProtos = protocols
	}
	if config.ServerName == "" {
		config.ServerName = t.host()
	}
	return d.talk(ctx, t, config, ask)
}

// talk opens a connection, asks, and ends the connection. Took is measured before the end.
func (d Dialer) talk(ctx context.Context, t Target, secure *tls.Config, ask func(*talk) error) Result {
	start := time.Now()
	raw, err := d.dial(ctx, t)
	if err != nil {
		return Result{Err: fmt.Errorf("connect to %s: %w", t.Address, plain(ctx, shorter(err))),
			Took: time.Since(start)}
	}
	c := &talk{ctx: ctx, raw: raw, conn: raw}
	defer c.raw.Close()
	defer context.AfterFunc(ctx, c.interrupt)()
	err = c.begin(d.Header, secure)
	if err == nil {
		err = ask(c)
	}
	took := time.Since(start)
	c.leave()
	return Result{Err: err, Took: took, Transcript: c.said.String()}
}

// verifiable says why nobody can verify the certificate of t.
func (t Target) verifiable(config *tls.Config) error {
	if t.host() != "" || config != nil && (config.ServerName != "" || config.InsecureSkipVerify) {
		return nil
	}
	return fmt.Errorf("%s has no name to verify its certificate by: write name=HOST, or verify=off", t.Address)
}

func (d Dialer) dial(ctx context.Context, t Target) (net.Conn, error) {
	if d.Dial != nil {
		return d.Dial(ctx, t.Network, t.Address)
	}
	system := net.Dialer{KeepAlive: -1, Control: d.Sources.control} // a probe ends long before a keep-alive
	conn, err := system.DialContext(ctx, t.Network, t.Address)
	// unix(7): the queue is full; over TCP the kernel would wait
	for t.Network == "unix" && errors.Is(err, syscall.EAGAIN) {
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(roomPause):
		}
		conn, err = system.DialContext(ctx, t.Network, t.Address)
	}
	return conn, err
}

// roomPause is how long a check waits before it asks again whether a UNIX socket has room.
const roomPause = 50 * time.Millisecond

// shorter drops the address and system call from an error of package net: the message has them already.
func shorter(err error) error {
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		return call.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// host returns what TLS and HTTP call the server. An address loses its zone, which has a meaning on this machine only
// (RFC 6874, section 1) and is in no certificate.
func (t Target) host() string {
	if t.Name != "" || t.Network == "unix" {
		return t.Name
	}
	host, _, err := net.SplitHostPort(t.Address)
	if err != nil {
		host = t.Address
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.WithZone("").String()
	}
	return host
}
