//go:build !linux

package health

import "errors"

// A kernel of another system does not tell of its sockets.
type kernel struct{}

func openKernel() (*kernel, error) { return nil, errors.ErrUnsupported }

func (*kernel) close() {}

func (*kernel) listening() (queues, error) { return nil, errors.ErrUnsupported }
