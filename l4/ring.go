package l4

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A ring is an io_uring(7) instance. What is to be sent and closed is written into memory that the kernel shares, and
// carried out by one system call. All of it is finished when the call returns, as no send waits for its socket
// (MSG_DONTWAIT). No kernel thread is at work, and nothing is under way between two calls.
type ring struct {
	fd       int32
	entries  []ringEntry  // the submission queue
	results  []ringResult // the completion queue
	tail     *uint32      // of the submission queue; we move it
	head     *uint32      // of the completion queue; we move it
	finished *uint32      // the completion queue's tail; the kernel moves it
	call     uint32       // how often carryOut was called, modulo 2³²: a result says of which call it is
	memory   [2][]byte
}

// A ringEntry is struct io_uring_sqe of linux/io_uring.h, as IORING_OP_SEND takes it.
type ringEntry struct {
	opcode  uint8
	flags   uint8
	ioprio  uint16
	fd      int32
	offset  uint64
	address uint64
	length  uint32
	msg     uint32 // flags of send(2)
	data    uint64 // returned with the result
	_       [3]uint64
}

// A ringResult is struct io_uring_cqe.
type ringResult struct {
	data  uint64
	value int32 // what the system call would have returned, or an errno below zero
	flags uint32
}

// ringParams is struct io_uring_params.
type ringParams struct {
	submissions, completions uint32
	flags                    uint32
	threadCPU, threadIdle    uint32
	features                 uint32
	workers                  uint32
	_                        [3]uint32
	submission               struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	completion struct {
		head, tail, mask, entries, overflow, results, flags, _ uint32
		_                                                      uint64
	}
}

// The constants of linux/io_uring.h that are used here.
const (
	ringOffSubmission = 0
	ringOffEntries    = 0x10000000
	ringNothing       = 0      // IORING_OP_NOP
	ringClose         = 19     // IORING_OP_CLOSE, Linux 5.6
	ringSend          = 26     // IORING_OP_SEND, Linux 5.6
	ringWait          = 1      // IORING_ENTER_GETEVENTS
	ringOneMapping    = 1 << 0 // IORING_FEAT_SINGLE_MMAP
	ringOwnWorkers    = 1 << 9 // IORING_FEAT_NATIVE_WORKERS, Linux 5.12: no memory counts against RLIMIT_MEMLOCK
)

// IOUring reports why this process can't use io_uring, nil where it can.
func IOUring() error {
	r, err := newRing(1)
	if err == nil {
		r.close()
	}
	return err
}

// newRing makes a ring for that many sends, a power of two. It fails where this kernel, its administrator
// (kernel.io_uring_disabled) or a container's filter of system calls does not allow io_uring.
func newRing(size uint32) (*ring, error) {
	var p ringParams
	fd, _, e := syscall.Syscall(unix.SYS_IO_URING_SETUP, uintptr(size), uintptr(unsafe.Pointer(&p)), 0)
	if e != 0 {
		return nil, e
	}
	r := &ring{fd: int32(fd)}
	if p.features&ringOneMapping == 0 || p.features&ringOwnWorkers == 0 {
		r.close()
		return nil, unix.ENOSYS
	}
	if err := r.share(&p); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// share maps the memory that the kernel reads the sends from and writes their results to.
func (r *ring) share(p *ringParams) error {
	const access, kind = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	size := max(p.submission.array+p.submissions*4,
		p.completion.results+p.completions*uint32(unsafe.Sizeof(ringResult{})))
	queues, err := unix.Mmap(int(r.fd), ringOffSubmission, int(size), access, kind)
	if err != nil {
		return err
	}
	r.memory[0] = queues
	entries, err := unix.Mmap(int(r.fd), ringOffEntries, int(p.submissions)*int(unsafe.Sizeof(ringEntry{})),
		access, kind)
	if err != nil {
		return err
	}
	r.memory[1] = entries
	word := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&queues[offset])) }
	r.tail = word(p.submission.tail)
	r.head, r.finished = word(p.completion.head), word(p.completion.tail)
	r.entries = unsafe.Slice((*ringEntry)(unsafe.Pointer(&entries[0])), p.submissions)
	r.results = unsafe.Slice((*ringResult)(unsafe.Pointer(&queues[p.completion.results])), p.completions)
	order := unsafe.Slice(word(p.submission.array), p.submissions)
	for i := range order {
		order[i] = uint32(i)
	}
	return nil
}

// close gives the instance and its memory back.
func (r *ring) close() {
	for _, m := range r.memory {
		if m != nil {
			unix.Munmap(m)
		}
	}
	closeFD(r.fd)
}

// carryOut sends and closes in order, no more than the ring was made for, and sets what each call returned, or unknown
// where the kernel did not say. submitted is how many the kernel took. Where it did not take all, or did not answer for
// all, whole is false, and the ring must not be used again: a late result would be taken for another call's.
func (r *ring) carryOut(out []outgoing) (submitted int, whole bool) {
	r.call++
	for i := range out {
		out[i].result = unknown
		r.put(uint64(r.call)<<32|uint64(i), &out[i])
	}
	submitted = r.submit(len(out))
	answered := 0
	for answered < submitted {
		n, ours := r.reap(out)
		if answered += n; !ours || n == 0 && !r.wait(submitted-answered) {
			return submitted, false
		}
	}
	return submitted, submitted == len(out)
}

// put writes one entry into the queue.
func (r *ring) put(data uint64, o *outgoing) {
	tail := *r.tail
	e := &r.entries[tail&uint32(len(r.entries)-1)]
	*e = ringEntry{opcode: ringNothing, data: data}
	switch o.act {
	case sends:
		e.opcode, e.fd, e.msg = ringSend, o.fd, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT
		e.address, e.length = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(o.bytes)))), uint32(len(o.bytes))
	case closes:
		e.opcode, e.fd = ringClose, o.fd
	}
	atomic.StoreUint32(r.tail, tail+1)
}

// submit has the kernel carry out the n entries of the queue and returns how many it took. Where those are fewer, the
// ring must not be used again.
func (r *ring) submit(n int) int {
	for left := n; left > 0; {
		done, _, e := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(left), 0, 0, 0, 0)
		switch {
		case e == unix.EINTR:
		case e != 0 || done == 0:
			return n - left
		default:
			left -= int(done)
		}
	}
	return n
}

// reap takes results in. It returns how many there were, and whether all were of this call.
func (r *ring) reap(out []outgoing) (n int, ours bool) {
	head, tail := *r.head, atomic.LoadUint32(r.finished)
	ours = true
	for at := head; at != tail; at++ {
		result := &r.results[at&uint32(len(r.results)-1)]
		i := uint32(result.data)
		if uint32(result.data>>32) != r.call || int(i) >= len(out) {
			ours = false
			continue
		}
		out[i].result = result.value
	}
	atomic.StoreUint32(r.head, tail)
	return int(tail - head), ours
}

// wait sleeps until n more are finished. No reason is known why a send that must not wait would not be finished at
// once.
func (r *ring) wait(n int) bool {
	_, _, e := syscall.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 0, uintptr(n), ringWait, 0, 0)
	return e == 0 || e == unix.EINTR
}
