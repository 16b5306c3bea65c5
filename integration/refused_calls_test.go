package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
)

// A filter of system calls or a security module may refuse what forebay uses. Bulk is copied where splice(2) is
// refused, from its first call or at the end of a pipe that is full, and everything arrives.
func TestBulkIsCopiedWhereSpliceIsRefused(t *testing.T) {
	t.Parallel()
	const size = 40 * mib
	for _, r := range []l4test.Refusal{
		{Call: unix.SYS_SPLICE, Errno: unix.EPERM},
		{Call: unix.SYS_SPLICE, Errno: unix.ENOSYS},
		{Call: unix.SYS_SPLICE, Errno: unix.EACCES},
		{Call: unix.SYS_SPLICE, Errno: unix.EINVAL},
		{Call: unix.SYS_SPLICE, Errno: unix.EPERM, Argument: 4, But: 1 << 20}, // into a pipe so much is asked for, out of it less
	} {
		t.Run(fmt.Sprint(r.Errno, r.But), func(t *testing.T) {
			t.Parallel()
			b := l4test.Serve(t, func(p *l4test.Peer) {
				wait := p.Beside(func(p *l4test.Peer) { p.SendContent(2, size).CloseWrite() })
				p.ExpectContent(1, size).ExpectEOF()
				wait()
			})
			f := startCommand(t, l4test.RefusedCommand([]l4test.Refusal{r}, program, serveArgs([]string{b.Addr()})...))
			f.Allow(`splice\(2\) is refused`)
			for range 3 {
				p := l4test.Dial(t, f.Addr())
				wait := p.Beside(func(p *l4test.Peer) { p.SendContent(1, size).CloseWrite() })
				p.ExpectContent(2, size).ExpectEOF()
				wait()
				e := f.Session()
				wantBytes(t, e, size, size)
			}
			b.AwaitDone(3)
			if told := strings.Contains(f.Stderr.String(), "splice(2) is refused"); told != (r.Errno != unix.EINVAL) {
				t.Errorf("it is told that splice is refused: %v; stderr:\n%s", told, f.Stderr)
			}
		})
	}
}

// Where accept(2) goes on failing, and the client stays in the queue, that is told; accepting pauses, so that no
// processor is used up; and a stop ends the process all the same.
func TestRefusedAcceptIsTold(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{unix.EACCES, unix.EPERM, unix.ENOSYS} {
		t.Run(errno.Error(), func(t *testing.T) {
			t.Parallel()
			refusal := []l4test.Refusal{{Call: unix.SYS_ACCEPT4, Errno: errno}}
			f := startCommand(t, l4test.RefusedCommand(refusal, program, serveArgs([]string{l4test.Echo(t).Addr()})...))
			f.Allow("accept")
			p := l4test.Dial(t, f.Addr())
			f.Stderr.AwaitMatch(t, `accept\(2\) goes on failing`)
			if used := f.CPUDuring(3 * time.Second); used > time.Second {
				t.Errorf("%v of a processor in 3 s, while accepting pauses", used)
			}
			f.Signal(syscall.SIGTERM)
			f.Wait()
			p.ExpectReset()
		})
	}
}

// Other calls have another way, or can be done without: what was said arrives, in whole, and a reset stays one.
func TestRefusedCallsHarmNobody(t *testing.T) {
	t.Parallel()
	const size = 4 * mib
	for name, r := range map[string]l4test.Refusal{
		"ioctl":          {Call: unix.SYS_IOCTL},
		"setsockopt":     {Call: unix.SYS_SETSOCKOPT, Argument: 2, But: unix.SO_REUSEADDR}, // without which nothing listens, and that is told
		"io_uring_enter": {Call: unix.SYS_IO_URING_ENTER},
		"pipe2":          {Call: unix.SYS_PIPE2},
		"getpeername":    {Call: unix.SYS_GETPEERNAME},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			echo, dying := l4test.Echo(t), l4test.Dying(t, 1, size)
			r.Errno = unix.EPERM
			args := serveArgs([]string{"--policy", "round-robin", echo.Addr(), dying.Addr()})
			f := startCommand(t, l4test.RefusedCommand([]l4test.Refusal{r}, program, args...))
			for range 4 {
				p := l4test.Dial(t, f.Addr())
				wait := p.Beside(func(p *l4test.Peer) { p.SendContent(1, size).CloseWrite() })
				p.ExpectContent(1, size).ExpectEOF()
				wait()
				l4test.Dial(t, f.Addr()).ExpectContent(1, size).ExpectReset()
			}
		})
	}
}
