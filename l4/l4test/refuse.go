package l4test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Refusal is a system call that fails, as under a filter of system calls (seccomp(2)): a container's, systemd's, or
// what a security module says.
type Refusal struct {
	Call  uintptr // its number
	Errno syscall.Errno
	// Argument and But: where But is not 0, a call with that value as its argument of that number is let through.
	Argument int
	But      uint32
}

const refusedRole = "run-with-refusals"

// RefusedCommand returns a command that runs program with those system calls refused. It needs no rights. The test
// binary must call BecomeRefused before anything else.
func RefusedCommand(refusals []Refusal, program string, args ...string) *exec.Cmd {
	all := []string{refusedRole}
	for _, r := range refusals {
		all = append(all, fmt.Sprintf("%d:%d:%d:%d", r.Call, r.Errno, r.Argument, r.But))
	}
	return exec.Command(os.Args[0], append(append(all, program), args...)...)
}

// BecomeRefused becomes the program of a RefusedCommand where this process is one, and otherwise returns nil. It
// returns an error where it can't.
func BecomeRefused() error {
	if len(os.Args) < 3 || os.Args[1] != refusedRole {
		return nil
	}
	args := os.Args[2:]
	var filter []unix.SockFilter
	for len(args) > 0 {
		var r Refusal
		if n, _ := fmt.Sscanf(args[0], "%d:%d:%d:%d", &r.Call, &r.Errno, &r.Argument, &r.But); n != 4 {
			break
		}
		filter, args = append(filter, r.filter()...), args[1:]
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: seccompAllow})
	runtime.LockOSThread() // a filter is the thread's, and what it becomes keeps it
	if err := install(filter); err != nil {
		return err
	}
	return syscall.Exec(args[0], args, os.Environ())
}

// The values of linux/seccomp.h.
const (
	seccompModeFilter = 2
	seccompAllow      = 0x7fff0000
	seccompErrno      = 0x00050000
	seccompCall       = 0  // where in struct seccomp_data the number stands
	seccompArguments  = 16 // and the arguments, of 8 bytes
)

// filter is the piece of a filter that refuses r, and goes on behind it otherwise.
func (r Refusal) filter() []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	unless := func(value uint32, then, otherwise uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jt: then, Jf: otherwise}
	}
	refuse := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: seccompErrno | uint32(r.Errno)}
	if r.But == 0 {
		return []unix.SockFilter{load(seccompCall), unless(uint32(r.Call), 0, 1), refuse}
	}
	low := uint32(seccompArguments + 8*r.Argument) // of two words, on a little-endian machine
	return []unix.SockFilter{load(seccompCall), unless(uint32(r.Call), 0, 3), load(low), unless(r.But, 1, 0), refuse}
}

func install(filter []unix.SockFilter) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, seccompModeFilter, uintptr(unsafe.Pointer(&program)), 0, 0)
}
