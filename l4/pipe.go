package l4

import (
	"golang.org/x/sys/unix"
)

// A pipe carries a bulk flow through the kernel: splice(2) moves pages from the source's socket into it and from it to the sink's.
type pipe struct {
	r, w int32
	held int // bytes inside
}

// pipes is a loop's stock of pipes. A flow borrows one while it is bulk and gives it back whenever the pipe is empty and the source dry, so
// that idle sessions hold two descriptors each and a few pipes serve many.
type pipes struct {
	idle []*pipe
	made int
	most int // how many may exist; 0: splice is not used
}

// pipeSize is what a pipe can hold: large, so that a turn moves much with two calls, and no more than an unprivileged process may
// ask for (fs.pipe-max-size).
const pipeSize = 1 << 20

// borrow returns an empty pipe, or nil where there is none: the flow then copies.
func (p *pipes) borrow() *pipe {
	if n := len(p.idle); n > 0 {
		b := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return b
	}
	if p.made >= p.most {
		return nil
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return nil
	}
	if _, err := unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize); err != nil {
		// This user's share is used up (pipe(7), pipe-user-pages-soft), and new pipes hold next to nothing.
		unix.Close(fds[0])
		unix.Close(fds[1])
		p.most = p.made
		return nil
	}
	p.made++
	return &pipe{r: int32(fds[0]), w: int32(fds[1])}
}

// giveBack returns a borrowed pipe, which must be empty.
func (p *pipes) giveBack(b *pipe) { p.idle = append(p.idle, b) }

// discard ends a borrowed pipe that may still hold bytes.
func (p *pipes) discard(b *pipe) {
	if b.held == 0 {
		p.giveBack(b)
		return
	}
	closeFD(b.r)
	closeFD(b.w)
	p.made--
}

// close closes the idle pipes.
func (p *pipes) close() {
	for _, b := range p.idle {
		p.made--
		closeFD(b.r)
		closeFD(b.w)
	}
	p.idle = nil
}
