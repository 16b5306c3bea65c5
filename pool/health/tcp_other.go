//go:build !linux

package health

import (
	"context"
	"errors"
	"net/netip"
)

// hasRawKnock says that this system can't hold an ACK back: a TCP probe is a connection that closes with FIN.
const hasRawKnock = false

func holdAck(uintptr) {}

func rawKnock(context.Context, netip.AddrPort, *Sources) error { return errors.ErrUnsupported }

func bind(uintptr, netip.Addr) error { return errors.ErrUnsupported }
