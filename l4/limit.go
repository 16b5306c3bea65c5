package l4

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// DescriptorLimit raises the process's soft limit of open descriptors to the hard limit, and returns it.
func DescriptorLimit() (uint64, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, fmt.Errorf("read the descriptor limit: %w", err)
	}
	if r.Cur < r.Max {
		raised := unix.Rlimit{Cur: r.Max, Max: r.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err != nil {
			return r.Cur, fmt.Errorf("raise the descriptor limit from %d to %d: %w", r.Cur, r.Max, err)
		}
	}
	return r.Max, nil
}

func descriptorLimit() uint64 {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 1024
	}
	return r.Cur
}

// What a process needs beside its sessions: loops, log, a name being resolved, a check of /proc, a third socket of a
// session that hedges.
const (
	spareDescriptors = 24
	fewDescriptors   = 4 // of these, without which nothing begins: a listener, a log file, a session
	loopDescriptors  = 6 // its three epoll instances, timer, event and ring
	mostPipes        = 128
	mostSockets      = 32
	mostSessions     = 1 << 20 // where no limit is set
)

// MostLoops is how many event loops a Server can have. The kernel follows what waits for a socket through epoll
// instances that stand in others, and takes no more than 100 ways that lead through three (path_limits in
// fs/eventpoll.c): a listening socket has one by each loop.
const MostLoops = 100

// LoopsFor returns how many loops there may be, where so many are asked for; 0: as load decides.
func LoopsFor(asked int) int {
	if asked == 0 {
		asked = runtime.GOMAXPROCS(0)
	}
	return min(asked, MostLoops)
}

// LoopsWithin returns how many loops can be made under a limit of open descriptors.
func LoopsWithin(limit uint64) int {
	return max(int(min(limit, 1<<30))-openDescriptors()-fewDescriptors, 0) / loopDescriptors
}

// pipesFor returns how many pipes bulk flows of all loops together may borrow under a limit; each loop has one at
// least.
func pipesFor(limit uint64, loops int) int { return max(int(min(limit/64+2, mostPipes)), loops) }

// socketsFor returns how many sockets of ended sessions all loops together may keep under a limit. A few are enough, as
// they are soon wanted again.
func socketsFor(limit uint64) int { return int(min(limit/128, mostSockets)) }

// MaxConnsFor returns how many sessions fit under a limit of open descriptors: two each, after those that are open now
// and what the process itself may need with so many loops. 0: none.
func MaxConnsFor(limit uint64, loops int) int {
	own := uint64(openDescriptors() + spareDescriptors + loopDescriptors*loops + 2*pipesFor(limit, loops) +
		socketsFor(limit))
	if limit <= own {
		return 0
	}
	return int(min((limit-own)/2, mostSessions))
}

// openDescriptors counts what is open now.
func openDescriptors() int {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 16
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 16
	}
	return len(names) - 1
}
