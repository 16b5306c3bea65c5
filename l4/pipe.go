package l4

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// A pipe carries a bulk flow through the kernel: splice(2) moves pages from the source's socket into it and from it to
// the sink's.
type pipe struct {
	r, w int32
	held int  // bytes inside
	idle bool // no flow has it
}

// pipes is a loop's stock of pipes. A flow borrows one while it is bulk, and gives it back whenever the pipe is empty
// and the source dry. So an idle session holds two descriptors, and a few pipes serve many sessions.
type pipes struct {
	idle []*pipe
	made int
	most int // how many may exist; 0: splice is not used
}

// pipeSize is what a pipe can hold. It is large, so that two calls move much in a turn, and no more than an
// unprivileged process may ask for (fs.pipe-max-size).
const pipeSize = 1 << 20

// borrow returns an empty pipe, or nil where there is none: then the flow copies. The kernel is asked whether an idle
// pipe is empty, as what a pipe holds belongs to the session that filled it. dirty counts those that were not empty;
// they were closed.
func (p *pipes) borrow() (free *pipe, dirty int) {
	for n := len(p.idle); n > 0; n = len(p.idle) {
		b := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if unread(b.r) <= 0 { // or the kernel does not tell
			b.idle = false
			return b, dirty
		}
		dirty++
		p.end(b)
	}
	return p.make(), dirty
}

// make returns a new pipe, nil where there may be no more.
func (p *pipes) make() *pipe {
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

// giveBack returns a borrowed pipe. A pipe that still holds bytes is closed, and its bytes are lost.
func (p *pipes) giveBack(b *pipe) {
	if b.idle {
		panic("a pipe was given back twice: two sessions would share it")
	}
	if b.held > 0 || p.most == 0 {
		p.end(b)
		return
	}
	b.idle = true
	p.idle = append(p.idle, b)
}

// retire ends splicing: no more pipes are lent.
func (p *pipes) retire() {
	p.most = 0
	p.close()
}

// empty takes what b holds out of it.
func (b *pipe) empty() ([]byte, syscall.Errno) {
	p := make([]byte, b.held)
	for at := 0; at < len(p); {
		n, errno := readPipe(b.r, p[at:])
		if errno != 0 {
			return nil, errno
		}
		at += n
		b.held -= n
	}
	return p, 0
}

// end closes a pipe that is not among the idle ones.
func (p *pipes) end(b *pipe) {
	closeFD(b.r)
	closeFD(b.w)
	p.made--
}

// close closes the idle pipes.
func (p *pipes) close() {
	for _, b := range p.idle {
		p.end(b)
	}
	p.idle = nil
}
