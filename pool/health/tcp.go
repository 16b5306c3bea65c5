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

// TCP asks whether the server's kernel takes connections: whether something listens and has room in its accept queue.
//
// On Linux the server's program never learns of it. The last packet of the handshake is held back (TCP_QUICKACK 0, as
// when data is about to follow), and the connection is reset instead: SYN, SYN-ACK, RST. The server's kernel drops the
// half-open connection before accept(2) could return it. So the server logs nothing, counts nothing against this
// machine's address, and starts no thread or process. On this side no port stays in TIME-WAIT. HAProxy's plain check
// does the same. These log lines were measured for each way to close:
//
//	server, at its defaults     reset before ACK   ACK, FIN   ACK, RST
//	PostgreSQL 15               0                  0          1
//	MariaDB 10.11               0                  1, and the host is blocked after 100 (max_connect_errors), for either
//	OpenSSH 9.2                 0                  2          0–2
//	Postfix 3.7                 0                  3          3
//	HAProxy, nginx (info)       0                  1          1
//	Redis 7                     0                  0          0
//
// The check finds a crash. A program that hangs while its kernel still takes connections passes it until its queue is
// full.
//
// That is not possible over a UNIX socket, nor with a Dial of the Dialer's own: the program sees a connection that
// closes at once. Header is sent only then.
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

// knock connects, and resets the connection before the server's program can see it, where the system allows that.
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
		conn.(*net.TCPConn).SetLinger(0) // this can't fail on an open socket
	}
	return nil
}
