package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readyLimit = 5 * time.Second
	readyTick  = 10 * time.Millisecond
	probeLimit = 500 * time.Millisecond
	// settleTick and settleLimit: a proxy has settled when its CPU clock stood still for a tick. One that never does is
	// measured as it is.
	settleTick  = 10 * time.Millisecond
	settleLimit = 300 * time.Millisecond
)

// A proxy is a program that runs in front of the backends.
type proxy struct {
	program *program
	process *process
	addr    string
	release func() // gives the port of addr back
	dir     string
	pids    []int
	// certificate is what the program shows to clients, as DER; nil: it speaks no TLS with them.
	certificate []byte
	streams     *proxy // what stands in for it in the bulk step; nil: itself
	tls         *proxy // the same program as it ends TLS; nil: no step needs it
}

// startProxy starts p and waits until it answers. The caller stops it.
func startProxy(ctx context.Context, p *program, s setup) (*proxy, error) {
	dir, err := os.MkdirTemp("", "forebay-bench-")
	if err != nil {
		return nil, err
	}
	started, err := startIn(dir, p, s)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if err := started.ready(ctx); err != nil {
		started.stop()
		return nil, err
	}
	started.pids = started.process.pids()
	return started, nil
}

func startIn(dir string, p *program, s setup) (*proxy, error) {
	addr, release, err := reserve()
	if err != nil {
		return nil, err
	}
	s.dir, s.listen = dir, addr
	command, err := p.command(p, s)
	if err != nil {
		release()
		return nil, fmt.Errorf("configure %s: %w", p.name, err)
	}
	command = limitDescriptors(s.descriptors, command)
	process, err := startProcess(p.name, exec.Command(command[0], command[1:]...))
	if err != nil {
		release()
		return nil, err
	}
	started := &proxy{program: p, process: process, addr: addr, release: release, dir: dir}
	if s.identity != nil {
		started.certificate = s.identity.certificate
	}
	return started, nil
}

// reserve returns an address on 127.0.0.1 whose port nobody is given by chance until it is released. A socket is bound
// there that never listens; one that sets SO_REUSEADDR can be bound beside it and listen, as all these programs do.
func reserve() (addr string, release func(), err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, os.NewSyscallError("socket", err)
	}
	release = func() { unix.Close(fd) }
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
	)
	at, nameErr := unix.Getsockname(fd)
	if err = errors.Join(err, nameErr); err != nil {
		release()
		return "", nil, fmt.Errorf("reserve a port: %w", err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port), release, nil
}

// ready returns when an exchange has gone through p.
func (p *proxy) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	tick := time.NewTicker(readyTick)
	defer tick.Stop()
	for {
		err := p.probe()
		if err == nil {
			return nil
		}
		if ended := p.process.ended(); ended != nil {
			return ended
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer on %s: %w: %s", p.program.name, p.addr, err, p.process.stderr)
		}
	}
}

// probe does one exchange through p.
func (p *proxy) probe() error {
	conn, err := p.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(probeLimit))
	return exchange(conn, 1)
}

func (p *proxy) dial() (net.Conn, error) {
	if p.certificate != nil {
		return newTLSClient(p.addr, p.certificate).dial(probeLimit)
	}
	return net.DialTimeout("tcp", p.addr, probeLimit)
}

// job returns j as it is to be done through p.
func (p *proxy) job(j job) job {
	j.Verb, j.Addr, j.Certificate = "prepare", p.addr, p.certificate
	return j
}

// settled returns p's CPU time when it has stopped growing: until then p still closes what the load has left.
func (p *proxy) settled(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	tick := time.NewTicker(settleTick)
	defer tick.Stop()
	last := time.Duration(-1)
	for {
		now, err := cpuTime(p.pids)
		if err != nil || now == last {
			return now, err
		}
		last = now
		select {
		case <-tick.C:
		case <-ctx.Done():
			return now, nil
		}
	}
}

func (p *proxy) stop() {
	for _, other := range []*proxy{p.streams, p.tls} {
		if other != nil {
			other.stop()
		}
	}
	p.process.stop()
	p.release()
	os.RemoveAll(p.dir)
}

// usage returns what p holds once it has settled.
func (p *proxy) usage(ctx context.Context) (usage, error) {
	if _, err := p.settled(ctx); err != nil {
		return usage{}, err
	}
	return usageOf(p.pids)
}

// idleShare returns the share of one processor that p takes during d, in which nobody asks it for anything.
func (p *proxy) idleShare(ctx context.Context, d time.Duration) (float64, error) {
	before, err := p.settled(ctx)
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := cpuTime(p.pids)
	return float64(after-before) / float64(d), err
}
