package l4test

import (
	"fmt"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// A Network is one for programs that listen at fixed ports: a network namespace (network_namespaces(7)) in which there
// is a loopback interface and nothing else. It ends with the test and the programs that were started in it.
type Network struct{ fd int }

// NewNetwork makes a Network, or returns why none may be made: that takes CAP_SYS_ADMIN.
func NewNetwork(tb testing.TB) (*Network, error) {
	tb.Helper()
	fd, err := newNamespace()
	if err != nil {
		return nil, err
	}
	tb.Cleanup(func() { unix.Close(fd) })
	n := &Network{fd}
	if err := n.do(func() error { return ip("link set lo up") }); err != nil {
		return nil, err
	}
	return n, nil
}

// Start starts cmd there. All that it starts is there, too.
func (n *Network) Start(cmd *exec.Cmd) error { return n.do(cmd.Start) }

// do calls f on a thread whose network is n.
func (n *Network) do(f func() error) error {
	return onOwnThread(func() error {
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("setns: %w", err)
		}
		return f()
	})
}
