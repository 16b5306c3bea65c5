//go:build !linux

package health

import (
	"errors"
	"net/netip"
)

// A kernel other than Linux does not tell of its sockets.
type kernel struct{}

func openKernel() (*kernel, error) { return nil, errors.ErrUnsupported }

func (*kernel) close() {}

func (*kernel) look([]netip.AddrPort) (queues, error) { return nil, errors.ErrUnsupported }
