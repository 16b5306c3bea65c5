package l4test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Whether a thread is busy, and whether a processor is idle beside it, is up to the machine. What a program does about
// that would happen in a test by chance alone. So a test may answer in the kernel's place: seccomp_unotify(2).

const (
	busyRole = "run-with-busy-threads"
	busyFD   = 3 // where that process sends the descriptor that it is answered by
)

// BusyInTurn returns a command that runs program and tells its goroutines that they are busy in turn. Of those that ask
// how much processor time their thread has used (clock_gettime(2), CLOCK_THREAD_CPUTIME_ID) one has used all there was,
// and the others none. How idle the machine is (/proc/stat) can't be read. That takes the right to mount. The test
// binary must call BecomeBusy before anything else.
func BusyInTurn(tb testing.TB, program string, args ...string) *exec.Cmd {
	tb.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	own, other := os.NewFile(uintptr(pair[0]), "answers"), os.NewFile(uintptr(pair[1]), "questions")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		if fd, err := receiveFD(pair[0]); err == nil {
			answerAll(fd, stop)
		}
	}()
	tb.Cleanup(func() { // the program has ended
		close(stop)
		other.Close() // there is nothing to receive where the program could not be run
		<-stopped
		own.Close()
	})
	cmd := exec.Command(os.Args[0], append([]string{busyRole, program}, args...)...)
	cmd.ExtraFiles = []*os.File{other}
	return cmd
}

// receiveFD receives a descriptor over a UNIX socket.
func receiveFD(from int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(from, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return -1, fmt.Errorf("no descriptor came: %w", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

// BecomeBusy becomes the program of a BusyInTurn where this process is one, and otherwise returns nil. It returns an
// error where it can't.
func BecomeBusy() error {
	if len(os.Args) < 3 || os.Args[1] != busyRole {
		return nil
	}
	args := os.Args[2:]
	runtime.LockOSThread() // what follows is the thread's, and what it becomes keeps it
	if err := hideIdleTime(); err != nil {
		return err
	}
	fd, err := ask()
	if err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	if err := unix.Sendmsg(busyFD, []byte{0}, unix.UnixRights(fd), nil, 0); err != nil {
		return err
	}
	unix.CloseOnExec(busyFD)
	return syscall.Exec(args[0], args, os.Environ())
}

// hideIdleTime has an empty file stand in the place of /proc/stat, for this thread alone.
func hideIdleTime() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("none", "/proc", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount(os.DevNull, "/proc/stat", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount /proc/stat: %w", err)
	}
	return nil
}

// ask has calls for a thread's processor time be answered over the descriptor that it returns.
func ask() (int, error) {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	unless := func(value uint32, otherwise uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: otherwise}
	}
	filter := []unix.SockFilter{
		load(seccompCall), unless(unix.SYS_CLOCK_GETTIME, 3),
		load(seccompArguments), unless(unix.CLOCK_THREAD_CPUTIME_ID, 1),
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompAllow},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// A question is struct seccomp_notif of linux/seccomp.h.
type question struct {
	id          uint64
	thread      uint32
	flags       uint32
	call        int32
	arch        uint32
	instruction uint64
	arguments   [6]uint64
}

// An answer is struct seccomp_notif_resp.
type answer struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// answerAll answers what comes over fd until the program has ended.
func answerAll(fd int, stop <-chan struct{}) {
	defer unix.Close(fd)
	turns := busyTurns{askers: map[uint64]*busyTime{}}
	for {
		select {
		case <-stop:
			return
		default:
		}
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if unix.Poll(poll, 100); poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents != 0 {
				return // nobody can ask any more
			}
			continue
		}
		var q question
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&q))); e != 0 {
			continue // interrupted, or who asked has been
		}
		used := unix.NsecToTimespec(int64(turns.used(q.arguments[1], time.Now())))
		a := answer{id: q.id}
		if err := poke(q.thread, uintptr(q.arguments[1]), &used); err != nil {
			a.errno = -int32(unix.EFAULT)
		}
		unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&a)))
	}
}

// poke writes a time into a thread's memory.
func poke(thread uint32, at uintptr, t *unix.Timespec) error {
	size := int(unsafe.Sizeof(*t))
	local := []unix.Iovec{{Base: (*byte)(unsafe.Pointer(t)), Len: uint64(size)}}
	remote := []unix.RemoteIovec{{Base: at, Len: size}}
	_, err := unix.ProcessVMWritev(int(thread), local, remote, 0)
	return err
}

// busyTurns says whose turn it is to be busy. Who asks is known by where it wants its answer: that is on the stack of a
// goroutine, which may be on another thread each time.
type busyTurns struct {
	askers map[uint64]*busyTime
	busy   uint64 // whose turn it is
	told   int    // how often it has asked since its turn began
	asked  int    // how often anybody has
}

// A busyTime is the processor time that somebody is told of.
type busyTime struct {
	used time.Duration
	at   time.Time // when it last asked
}

// used answers who asks. A turn is long enough to find oneself busy several times in a row, also where some answers
// are worth nothing as they are another thread's. It ends at the question of somebody else.
func (b *busyTurns) used(who uint64, now time.Time) time.Duration {
	const long, longest = 6, 18 // the latter where the busy one asks no more
	t := b.askers[who]
	if t == nil {
		t = &busyTime{at: now}
		b.askers[who] = t
	}
	if who != b.busy && (b.busy == 0 || b.told >= long || b.asked >= longest) {
		b.busy, b.told, b.asked = who, 0, 0
	}
	b.asked++
	if who == b.busy {
		b.told++
		t.used += 2 * now.Sub(t.at) // more than enough: the two clocks are not looked at in the same moment
	}
	t.at = now
	return t.used
}
