package handoff

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An InUseError says that somebody has an address already. It wraps EADDRINUSE.
type InUseError struct {
	Spec    Spec
	PID     int    // of a process that listens there; 0 where none does, or this user may not see it
	Program string // what that process calls itself, at most 15 bytes (comm of proc_pid_comm(5)); "" where PID is 0
	owner   owner
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("listen on %s: %v%s", e.Spec, unix.EADDRINUSE, e.owner.by(os.Geteuid()))
}

func (e *InUseError) Unwrap() error { return unix.EADDRINUSE }

func inUse(s Spec) error {
	e := &InUseError{Spec: s, owner: ownerOf(s)}
	if !e.owner.port {
		e.PID, e.Program = e.owner.pid, e.owner.comm
	}
	return e
}

// An owner is who has a socket, as far as /proc tells this user. The zero owner is nobody known.
type owner struct {
	inode uint64 // of the socket; 0: none was found
	uid   string // of who made it; "" where the kernel does not list it
	pid   int    // 0: not visible to this user
	comm  string // the process's name
	port  bool   // it does not listen: the port is that of a connection
}

// by returns " by nginx (pid 123)", for the end of an error, or less where less is known. asker is the user that asked.
func (o owner) by(asker int) string {
	who := ""
	switch {
	case o.pid == os.Getpid():
		who = " by this process itself"
	case o.pid != 0:
		who = fmt.Sprintf(" by %s (pid %d)", o.comm, o.pid)
	case o.uid != "" && o.inode != 0:
		who = fmt.Sprintf(" by a process of user id %s that is not visible from here", o.uid)
		if asker != 0 {
			who = fmt.Sprintf(" by a process of user id %s; to see which, try sudo", o.uid)
		}
	}
	if o.port {
		who += " as the port of a connection; outgoing ones take those of net.ipv4.ip_local_port_range"
	}
	return who
}

// ownerOf finds who listens where s would.
func ownerOf(s Spec) owner {
	var o owner
	switch {
	case s.path != "":
		o = unixSocket(s.path)
	default:
		o = tcpSocket(s)
	}
	if o.inode != 0 {
		o.pid, o.comm = holder(o.inode)
	}
	return o
}

// tcpSocket finds the socket that keeps s from being bound: one that listens, or else a connection.
func tcpSocket(s Spec) owner {
	connection := owner{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for fields := range rows(table) {
			o, ok := readTCP(s, fields)
			if ok && !o.port {
				return o
			}
			if ok && connection.inode == 0 {
				connection = o
			}
		}
	}
	return connection
}

// readTCP reads a row of /proc/net/tcp (Linux, Documentation/networking/proc_net_tcp), and reports whether it is in the
// way of s.
func readTCP(s Spec, fields []string) (owner, bool) {
	const listens = "0A"
	if len(fields) < 10 {
		return owner{}, false
	}
	at, err := parseHexAddr(fields[1])
	if err != nil || !inTheWay(s, at) {
		return owner{}, false
	}
	inode, _ := strconv.ParseUint(fields[9], 10, 64) // 0 for a connection that no process has any more
	return owner{inode: inode, uid: fields[7], port: fields[3] != listens}, true
}

// inTheWay reports whether a socket at one address keeps s from its own: the ports are equal, and the addresses are too
// or one of them is every address.
func inTheWay(s Spec, at netip.AddrPort) bool {
	if at.Port() != s.port {
		return false
	}
	every := !s.addr.IsValid() || s.addr.IsUnspecified() || at.Addr().IsUnspecified()
	return every || at.Addr() == s.addr.WithZone("")
}

// parseHexAddr reads "0100007F:1F90": the address as 32-bit words in the machine's byte order, then the port. Both
// supported architectures are little-endian.
func parseHexAddr(text string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for word := 0; word+4 <= len(raw); word += 4 {
		w := raw[word : word+4]
		w[0], w[1], w[2], w[3] = w[3], w[2], w[1], w[0]
	}
	ip, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no address of /proc/net/tcp", text)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}

// unixSocket finds the socket bound to path in /proc/net/unix. Accepted sockets bear their listener's path too, but are
// connected.
func unixSocket(path string) owner {
	const unconnected = "01"
	for fields := range rows("/proc/net/unix") {
		if len(fields) >= 8 && fields[5] == unconnected && samePath(strings.Join(fields[7:], " "), path) {
			inode, _ := strconv.ParseUint(fields[6], 10, 64)
			return owner{inode: inode}
		}
	}
	return owner{}
}

// rows yields the lines of a table in /proc, cut into fields; none if it can't be read.
func rows(table string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		f, err := os.Open(table)
		if err != nil {
			return
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if !yield(strings.Fields(lines.Text())) {
				return
			}
		}
	}
}

// holder finds a process that has the socket with this inode open, by the links in /proc/PID/fd (proc_pid_fd(5)). A
// user sees only their own; root sees all.
func holder(inode uint64) (pid int, comm string) {
	want := fmt.Sprintf("socket:[%d]", inode)
	for _, process := range names("/proc") {
		pid, err := strconv.Atoi(process)
		if err != nil {
			continue
		}
		open := "/proc/" + process + "/fd/"
		for _, fd := range names(open) {
			if target, err := os.Readlink(open + fd); err == nil && target == want {
				name, _ := os.ReadFile("/proc/" + process + "/comm")
				return pid, strings.TrimSpace(string(name))
			}
		}
	}
	return 0, ""
}

// names lists a directory, as far as it may be read, without a look at each file: a machine may have a million
// descriptors open.
func names(directory string) []string {
	d, err := os.Open(directory)
	if err != nil {
		return nil
	}
	defer d.Close()
	all, _ := d.Readdirnames(-1)
	return all
}
