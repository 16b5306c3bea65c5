package handoff

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"forebay/l4"
)

func TestDualStackRule(t *testing.T) {
	for _, c := range []struct {
		listen     string
		ipv4, ipv6 bool
	}{
		{":0", true, true},
		{"*:0", true, true},
		{"0.0.0.0:0", true, false},
		{"[::]:0", false, true},
		{"127.0.0.1:0", true, false},
		{"[::1]:0", false, true},
	} {
		l := listen(t, spec(t, c.listen))
		port := l.Address.TCP().Port()
		if port == 0 {
			t.Fatalf("%s: bound to %s, without a port", c.listen, l.Address)
		}
		at := "127.83.0.1" // where no other process listens at the same port by chance
		if c.listen == "127.0.0.1:0" {
			at = "127.0.0.1"
		}
		if got := connects(at, port); got != c.ipv4 {
			t.Errorf("%s: IPv4 connects: %v, want %v", c.listen, got, c.ipv4)
		}
		if got := connects("::1", port); got != c.ipv6 {
			t.Errorf("%s: IPv6 connects: %v, want %v", c.listen, got, c.ipv6)
		}
	}
}

func TestListenerIsReadyForALoop(t *testing.T) {
	l := listen(t, spec(t, "127.0.0.1:0"))
	fd := int(l.File.Fd())
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("flags %#x, %v: not non-blocking", flags, err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v: not close-on-exec", flags, err)
	}
	for name, o := range map[string]option{"SO_REUSEADDR": reuseAddr, "SO_REUSEPORT": {unix.SOL_SOCKET, unix.SO_REUSEPORT, 0}} {
		if got, err := unix.GetsockoptInt(fd, o.level, o.name); err != nil || got != o.value {
			t.Errorf("%s: got %d, %v; want %d", name, got, err, o.value)
		}
	}
}

func TestBacklogCapsWaitingConnections(t *testing.T) {
	l, err := Listen(spec(t, "127.0.0.1:0"), Options{Backlog: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer l.File.Close()
	// On a listening socket, tcpi_sacked is the backlog that listen(2) was given (tcp_get_info in the kernel's
	// net/ipv4/tcp.c).
	info, err := unix.GetsockoptTCPInfo(int(l.File.Fd()), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.Sacked != 7 {
		t.Errorf("got backlog %d, %v; want 7", info.Sacked, err)
	}
}

func TestTakenAddressNamesItsOwner(t *testing.T) {
	for _, pair := range [][2]string{
		{"127.0.0.1:0", "127.0.0.1:%d"},
		{"127.0.0.1:0", ":%d"},
		{":0", "127.0.0.1:%d"},
		{":0", ":%d"},
		{"[::1]:0", "[::1]:%d"},
	} {
		first := listen(t, spec(t, pair[0]))
		second := spec(t, fmt.Sprintf(pair[1], first.Address.TCP().Port()))
		want := fmt.Sprintf("listen on %s: address already in use by this process itself", second)
		if _, err := Listen(second, Options{}); !errors.Is(err, unix.EADDRINUSE) || err.Error() != want {
			t.Errorf("%s after %s: got %q, want %q", second, first.Address, err, want)
		}
		if err := Probe(second); err == nil || err.Error() != want {
			t.Errorf("probe %s after %s: got %q, want %q", second, first.Address, err, want)
		}
	}
}

// However its path is spelled.
func TestTakenPathNamesItsOwner(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	listen(t, spec(t, "unix:"+dir+"/s"))
	for _, path := range []string{"s", "./s", dir + "/./s"} {
		if err := Probe(spec(t, "unix:"+path)); err == nil || !strings.HasSuffix(err.Error(), "in use by this process itself") {
			t.Errorf("%s: got %v, want it to be in use by this process itself", path, err)
		}
	}
}

func TestPortOfAConnection(t *testing.T) {
	l := listen(t, spec(t, "127.0.0.1:0"))
	c, err := net.Dial("tcp", l.Address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := fmt.Sprintf("listen on %s: address already in use by this process itself as the port of a connection; ", c.LocalAddr())
	if _, err := Listen(spec(t, c.LocalAddr().String()), Options{}); !errors.Is(err, unix.EADDRINUSE) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
}

func TestOwnerText(t *testing.T) {
	const root, other = 0, 1000
	for _, c := range []struct {
		owner owner
		asker int
		want  string
	}{
		{owner{}, other, ""},
		{owner{inode: 5, uid: "0", pid: 1, comm: "nginx"}, other, " by nginx (pid 1)"},
		{owner{inode: 5, pid: os.Getpid(), comm: "x"}, other, " by this process itself"},
		{owner{port: true, uid: "0"}, root, " as the port of a connection; outgoing ones take those of net.ipv4.ip_local_port_range"},
		{owner{inode: 5, uid: "33"}, root, " by a process of user id 33 that is not visible from here"},
		{owner{inode: 5, uid: "0"}, other, " by a process of user id 0; to see which, try sudo"},
	} {
		if got := c.owner.by(c.asker); got != c.want {
			t.Errorf("%+v, asked by user %d: got %q, want %q", c.owner, c.asker, got, c.want)
		}
	}
}

func TestFaultsSayWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct {
		listen string
		err    error
		want   string
	}{
		{":80", unix.EACCES, "port 80 is privileged"},
		{":80", unix.EACCES, "setcap cap_net_bind_service=+ep"},
		{":80", unix.EACCES, "net.ipv4.ip_unprivileged_port_start=80"},
		{"unix:/run/x.sock", unix.EACCES, "may not make a file in /run"},
		{"192.0.2.1:80", unix.EADDRNOTAVAIL, "no interface of this machine has 192.0.2.1"},
		{"unix:/gone/x", unix.ENOENT, "make the directory /gone first"},
		{"[::]:80", unix.EAFNOSUPPORT, "no IPv6"},
	} {
		err := explain(spec(t, c.listen), c.err)
		if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.listen) {
			t.Errorf("%s: got %q, want it to name the address and %q", c.listen, err, c.want)
		}
	}
}

func TestForeignAddress(t *testing.T) {
	_, err := Listen(spec(t, "192.0.2.1:0"), Options{}) // RFC 5737: nobody's
	if !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("got %v, want EADDRNOTAVAIL", err)
	}
	if err := Probe(spec(t, "192.0.2.1:0")); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("probe: got %v, want EADDRNOTAVAIL", err)
	}
}

func TestUnresolvedNameAndUnknownZone(t *testing.T) {
	for text, want := range map[string]string{"localhost:0": "not resolved", "[fe80::1%nosuch0]:0": `"nosuch0"`} {
		if _, err := Listen(spec(t, text), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", text, err, want)
		}
	}
}

func TestProbeLeavesTheAddressFree(t *testing.T) {
	free := spec(t, "127.83.0.1:0") // from where no outgoing connection takes the port meanwhile
	l := listen(t, free)
	free.port = l.Address.TCP().Port()
	l.File.Close()
	if err := Probe(free); err != nil {
		t.Fatal(err)
	}
	listen(t, free)
}

func TestParseHexAddr(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1:8080",
		"00000000:0016":                         "0.0.0.0:22",
		"00000000000000000000000001000000:0050": "[::1]:80",
		"B80D01200000000000000000010000FF:FFFF": "[2001:db8::ff00:1]:65535",
	} {
		if got, err := parseHexAddr(text); err != nil || got != netip.MustParseAddrPort(want) {
			t.Errorf("%s: got %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "xyz:1", "0100007F", "0100007F:10000", "01:1"} {
		if got, err := parseHexAddr(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func listen(t testing.TB, s Spec) *l4.Listener {
	t.Helper()
	l, err := Listen(s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.File.Close() })
	return l
}

func connects(host string, port uint16) bool {
	c, err := net.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
	if err == nil {
		c.Close()
	}
	return err == nil
}

func tempSocket(t testing.TB) (string, Spec) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	return path, spec(t, "unix:"+path)
}
