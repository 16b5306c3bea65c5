package main

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel takes what validate lets through and, of keep-alive, no second more.
func TestKernelTakesTheLongestTimes(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	seconds := int(time.Duration(maxKeepAlive) / time.Second)
	for _, test := range []struct {
		option, value int
		want          error
	}{
		{unix.TCP_KEEPIDLE, 1, nil},
		{unix.TCP_KEEPIDLE, seconds, nil},
		{unix.TCP_KEEPIDLE, seconds + 1, syscall.EINVAL},
		{unix.TCP_KEEPINTVL, seconds, nil},
		{unix.TCP_USER_TIMEOUT, 1, nil},
		{unix.TCP_USER_TIMEOUT, int(time.Duration(maxUserTimeout) / time.Millisecond), nil},
	} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, test.option, test.value); !errors.Is(err, test.want) {
			t.Errorf("option %d = %d: got %v, want %v", test.option, test.value, err, test.want)
		}
	}
}
