package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// TCP asks whether the server's kernel takes connections: whether something listens, and has room in its accept queue.
//
// On Linux the server's program never learns of it. The handshake's last packet is held back (TCP_QUICKACK 0, as when
// data is about to follow), and the connection is reset instead: SYN, SYN-ACK, RST. The kernel on the other side drops
// the half-open connection before accept(2) could return it. No log line, no count against this machine's address, no
// thread or process started for it, and on this side no port kept in TIME-WAIT. HAProxy's plain check does the same.
// What was measured, in log lines for each way to close:
//
//	server, at its defaults     reset before ACK   ACK, FIN   ACK, RST
//	PostgreSQL 15               0                  0          1
//	MariaDB 10.11               0                  1, and the host is blocked after 100 (max_connect_errors), for either
//	OpenSSH 9.2                 0                  2          0–2
//	Postfix 3.7                 0                  3          3
//	HAProxy, nginx (info)       0                  1          1
//	Redis 7                     0                  0          0
//
// The check is as much as is needed where only a crash is to be noticed. A program that hangs while its kernel still
// takes connections passes it until its queue is full.
//
// A UNIX socket knows no such thing: the program sees a connection that closes at once. Only there is Header sent. A
// Dial of the Dialer's own has a connection of its own kind, too.
type TCP struct {
	Dialer
}

// Probe connects and closes.
func (p TCP) Probe(ctx context.Context, t Target) Result {
	if t.Network == "unix" || p.Dial != nil {
		return p.plainly(ctx, t, func(c *talk) error { c.said.remark("connected"); return nil })
	}
	start := time.Now()
	err := p.knock(ctx, t)
	took := time.Since(start)
	if err != nil {
		return Result{Err: fmt.Errorf("connect to %s: %w", t.Address, plain(ctx, shorter(err))), Took: took}
	}
	return Result{Took: took, Transcript: "connected"}
}

// knock connects, and resets what it connected before the server's program can see it, where the system lets it.
func (p TCP) knock(ctx context.Context, t Target) error {
	if a, err := netip.ParseAddrPort(t.Address); err == nil && hasRawKnock && a.Addr().Zone() == "" {
		return rawKnock(ctx, a, p.Sources)
	}
	system := net.Dialer{KeepAlive: -1, Control: func(network, address string, socket syscall.RawConn) error {
		return errors.Join(socket.Control(holdAck), p.Sources.control(network, address, socket))
	}}
	conn, err := system.DialContext(ctx, t.Network, t.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if hasRawKnock {
		conn.(*net.TCPConn).SetLinger(0) // cannot fail on an open socket
	}
	return nil
}
