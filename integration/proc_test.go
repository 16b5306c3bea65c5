package integration

import (
	"encoding/hex"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// listening returns the TCP addresses at which a process listens (proc_pid_net(5)), in ascending order.
func listening(pid string) []string {
	own := sockets(pid)
	var addrs []string
	for _, table := range []string{"tcp", "tcp6"} {
		text, _ := os.ReadFile("/proc/" + pid + "/net/" + table)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line) // sl local remote state … inode
			if len(f) > 9 && f[3] == "0A" && own[f[9]] {
				addrs = append(addrs, socketAddress(f[1]))
			}
		}
	}
	slices.Sort(addrs)
	return slices.Compact(addrs)
}

// listeningUNIX returns the paths of the UNIX sockets at which a process listens. Connecting would tell too, but is a
// session.
func listeningUNIX(pid string) []string {
	own := sockets(pid)
	text, _ := os.ReadFile("/proc/" + pid + "/net/unix")
	var paths []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line) // num refs protocol flags type state inode path
		if len(f) == 8 && f[3] == "00010000" && own[f[6]] {
			paths = append(paths, f[7])
		}
	}
	return paths
}

// sockets returns the inodes of a process's sockets.
func sockets(pid string) map[string]bool { return inodes(pid, "socket:") }

// Pipes returns how many pipes the process has an end of.
func (p *process) Pipes() int {
	p.needsSight()
	return len(inodes(p.pid(), "pipe:"))
}

// inodes returns the inodes of one kind that a process has open (proc_pid_fd(5)).
func inodes(pid, kind string) map[string]bool {
	dir := "/proc/" + pid + "/fd/"
	entries, _ := os.ReadDir(dir)
	all := map[string]bool{}
	for _, e := range entries {
		target, _ := os.Readlink(dir + e.Name())
		if inode, ok := strings.CutPrefix(target, kind+"["); ok {
			all[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return all
}

// socketAddress reads "0100007F:1F90": each 32 bits of the address in the machine's order, here little-endian.
func socketAddress(s string) string {
	host, port, _ := strings.Cut(s, ":")
	ip, _ := hex.DecodeString(host)
	for i := 0; i+4 <= len(ip); i += 4 {
		slices.Reverse(ip[i : i+4])
	}
	n, _ := strconv.ParseUint(port, 16, 16)
	return (&net.TCPAddr{IP: ip, Port: int(n)}).String()
}

// Descriptors returns how many descriptors the process holds.
func (p *process) Descriptors() int {
	p.needsSight()
	return l4test.Descriptors(p.pid())
}

// needsSight skips the test where the process does not show its descriptors: one with keys does to root alone.
func (p *process) needsSight() {
	if os.Getuid() != 0 && p.Running() && l4test.Descriptors(p.pid()) < 0 {
		p.t.Skip("the process has keys, and shows its descriptors to root alone")
	}
}

// Memory returns its resident anonymous memory in bytes: what it holds itself, without what the file system lends it.
func (p *process) Memory() int64 { return int64(p.status64("RssAnon:")) << 10 }

// Threads returns how many threads it has.
func (p *process) Threads() int { return int(p.status64("Threads:")) }

// status64 reads a number from /proc/PID/status.
func (p *process) status64(name string) uint64 {
	p.t.Helper()
	text, _ := os.ReadFile("/proc/" + p.pid() + "/status")
	_, rest, found := strings.Cut(string(text), name)
	if !found {
		p.t.Fatalf("process %s shows no %s", p.pid(), name)
	}
	n, _ := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
	return n
}

// CPU returns the user and system time it has used, in steps of the kernel's 10 ms.
func (p *process) CPU() time.Duration {
	p.t.Helper()
	text, _ := os.ReadFile("/proc/" + p.pid() + "/stat")
	_, rest, _ := strings.Cut(string(text), ") ") // the name may contain anything
	f := strings.Fields(rest)
	if len(f) < 13 {
		p.t.Fatalf("process %s has no CPU time to show", p.pid())
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// CPUDuring returns the CPU time that the process uses while d passes.
func (p *process) CPUDuring(d time.Duration) time.Duration {
	before := p.CPU()
	<-time.After(d)
	return p.CPU() - before
}

// AwaitRest waits until the process uses no more than most CPU time while d passes. What spins never comes to rest;
// what still had something to do, on a busy machine, does.
func (p *process) AwaitRest(d, most time.Duration) {
	p.t.Helper()
	var used time.Duration
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if used = p.CPUDuring(d); used <= most {
			return
		}
	}
	p.t.Errorf("forebay used %v of CPU in %v, and so on for %v; want %v at most", used, d, patience, most)
}

// loopDescriptors is what the event loops hold that may be started when there is much to do.
var loopDescriptors = 8 * (runtime.NumCPU() - 1)

// AwaitDescriptors waits until the process holds no more than n descriptors.
func (p *process) AwaitDescriptors(t testing.TB, n int) {
	t.Helper()
	l4test.Await(t, patience, "descriptors back to "+strconv.Itoa(n)+", at most", func() bool { return p.Descriptors() <= n })
}

// waiting returns how many connections wait to be accepted at an IPv4 address at which a socket of this machine
// listens.
func waiting(t testing.TB, addr string) int {
	t.Helper()
	text, _ := os.ReadFile("/proc/net/tcp")
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line) // sl local remote state tx_queue:rx_queue …
		if len(f) > 4 && f[3] == "0A" && socketAddress(f[1]) == addr {
			_, queue, _ := strings.Cut(f[4], ":")
			n, _ := strconv.ParseUint(queue, 16, 32)
			return int(n)
		}
	}
	t.Fatalf("nothing listens at %s", addr)
	return 0
}
