package main

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// The kernel takes what validate lets through and, of keep-alive, no second more.
func TestKernelTakesTheLongestTimes(t *testing.T) {
	const userTimeout = 18 // TCP_USER_TIMEOUT, which package syscall lacks
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	seconds := int(time.Duration(maxKeepAlive) / time.Second)
	for _, test := range []struct {
		option, value int
		want          error
	}{
		{syscall.TCP_KEEPIDLE, 1, nil},
		{syscall.TCP_KEEPIDLE, seconds, nil},
		{syscall.TCP_KEEPIDLE, seconds + 1, syscall.EINVAL},
		{syscall.TCP_KEEPINTVL, seconds, nil},
		{userTimeout, 1, nil},
		{userTimeout, int(time.Duration(maxUserTimeout) / time.Millisecond), nil},
	} {
		if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, test.option, test.value); !errors.Is(err, test.want) {
			t.Errorf("option %d = %d: got %v, want %v", test.option, test.value, err, test.want)
		}
	}
}
