package health

import (
	"os"
	"syscall"
	"unsafe"
)

// inheritsOrphans reports whether processes become this one's children when their parents end (PR_SET_CHILD_SUBREAPER
// in prctl(2)).
func inheritsOrphans() bool {
	const getChildSubreaper = 37
	var is int32
	syscall.RawSyscall(syscall.SYS_PRCTL, getChildSubreaper, uintptr(unsafe.Pointer(&is)), 0)
	return is != 0 || os.Getpid() == 1
}

// endedChild returns the number of a child that has ended and was not collected, without collecting it; 0 where there
// is none.
func endedChild() int {
	const (
		allChildren = 0         // P_ALL
		leave       = 0x1000000 // WNOWAIT
		exited      = 4         // WEXITED
		// siginfo_t begins with three numbers of 32 bits. A union with pointers in it follows, aligned as these are;
		// the child's number comes first in it.
		pidAt = (3*4 + unsafe.Sizeof(uintptr(0)) - 1) &^ (unsafe.Sizeof(uintptr(0)) - 1)
	)
	var info [128 / 8]uint64
	_, _, errno := syscall.RawSyscall6(syscall.SYS_WAITID, allChildren, 0, uintptr(unsafe.Pointer(&info)),
		exited|leave|syscall.WNOHANG, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), pidAt)))
}
