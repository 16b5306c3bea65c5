package integration

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"forebay/l4/l4test"
	"forebay/pool/health"
)

// often is how often a server is asked: as in three minutes, and many times as often as it takes errors from one host.
const often = 100

// A watched server is one of which every line of its log is read.
type watched struct {
	addr string
	log  *lines
	dial func(context.Context, string, string) (net.Conn, error) // nil: from any address
	rude func(conn net.Conn)                                     // does what the server logs
	says string                                                  // what it logs of that
	mute string                                                  // what it says of the machine, if anything, and not of who asks
}

// said returns what the server has logged.
func (w watched) said() []string {
	return slices.DeleteFunc(w.log.All(), func(line string) bool { return w.mute != "" && strings.Contains(line, w.mute) })
}

// wantNoTrace fails if the server writes anything into its log of n of each check. What it does log of a rude guest
// comes after them, so that nothing can be late.
func (w watched) wantNoTrace(t *testing.T, n int, checks ...string) {
	t.Helper()
	for _, text := range checks {
		w.ask(t, text) // what is new to a server once, as a name it can't look up
	}
	before := w.said()
	for _, text := range checks {
		for range n {
			w.ask(t, text)
		}
	}
	w.annoy(t)
	var more []string
	l4test.Await(t, patience, "the server logs the rude guest", func() bool {
		more = w.said()[len(before):]
		return len(more) > 0 && strings.Contains(more[len(more)-1], w.says)
	})
	if len(more) > 1 {
		t.Errorf("after %d of each of %q the log has %d lines more, of which the first are\n%s",
			n, checks, len(more)-1, strings.Join(more[:min(len(more), 10)], "\n"))
	}
}

// ask asks once, from w.dial where the check is by connection; tcp has its own way to connect.
func (w watched) ask(t *testing.T, text string) {
	t.Helper()
	check, err := health.ParseCheck(text)
	if err != nil {
		t.Fatal(err)
	}
	d := health.Dialer{Dial: w.dial}
	if text == "tcp" {
		d.Dial = nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if r := check.Probe(d).Probe(ctx, health.Target{Network: "tcp", Address: w.addr}); r.Err != nil {
		t.Fatalf("check %s: %v (%s)", text, r.Err, r.Transcript)
	}
}

func (w watched) annoy(t *testing.T) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", w.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w.rude(conn)
}

func TestChecksLeaveNoTraceInPostgreSQL(t *testing.T) {
	t.Parallel()
	addr, server := servePostgres(t, notRoot(t))
	w := watched{
		addr: addr, log: server.Stderr,
		rude: func(conn net.Conn) { conn.Write([]byte("\x00\x00\x00\x08\x00\x09\x00\x00")) },
		says: "unsupported frontend protocol 9.0",
	}
	w.wantNoTrace(t, often, "tcp", "postgres")
	w.wantNoTrace(t, 100, "postgres,user=postgres") // a session each, which takes longer
}

// MariaDB neither logs nor counts the checks, nor blocks who asks. It never blocks 127.0.0.1, so the checks come from
// another address.
func TestChecksLeaveNoTraceInMariaDB(t *testing.T) {
	t.Parallel()
	addr, query, log := serveMariaDB(t)
	query("CREATE USER forebay")
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	aborted := func() string { return strings.TrimSpace(query("SHOW GLOBAL STATUS LIKE 'Aborted_connects'")) }
	before := aborted()
	w := watched{
		addr: addr, log: log, dial: from.DialContext,
		rude: func(conn net.Conn) { conn.Read(make([]byte, 1)) },
		says: "closed normally without authentication",
		mute: "could not be resolved: ",
	}
	w.wantNoTrace(t, often, "tcp", "mysql")
	if got := aborted(); before != "Aborted_connects\t0" || got != "Aborted_connects\t1" {
		t.Errorf("before the checks it counts %q, after them and one rude guest %q", before, got)
	}
	for range 10 {
		w.ask(t, "mysql,user=nobody") // is logged, and blocks nobody either
	}
	w.ask(t, "mysql")
}

func TestChecksLeaveNoTraceInRedis(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	server := serve(t, local(port), exec.Command(need(t, "redis-server"),
		"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--appendonly", "no", "--dir", t.TempDir()))
	watched{
		addr: local(port), log: server.Stdout,
		rude: func(conn net.Conn) {
			conn.Write([]byte("POST / HTTP/1.1\r\nHost: x\r\n\r\n"))
			conn.Read(make([]byte, 1))
		},
		says: "Possible SECURITY ATTACK",
	}.wantNoTrace(t, often, "tcp", "redis", `send:PING\r\n,expect:+PONG`)
}

// serveMariaDB starts a MariaDB that blocks a host after three errors, and returns where, who runs a query, and its
// log.
func serveMariaDB(t *testing.T) (addr string, query func(string) string, log *lines) {
	t.Helper()
	server, install, client := need(t, "mariadbd"), need(t, "mariadb-install-db"), need(t, "mariadb")
	dir, err := os.MkdirTemp("", "maria") // a path for a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, port := filepath.Join(dir, "s"), freePort(t)
	common := []string{"--no-defaults", "--datadir=" + filepath.Join(dir, "data")}
	if os.Geteuid() == 0 {
		common = append(common, "--user=root")
	}
	output(t, exec.Command(install, append(common, "--auth-root-authentication-method=normal", "--skip-test-db")...))
	p := run(t, exec.Command(server, append(common, "--port="+strconv.Itoa(port), "--bind-address=127.0.0.1", "--socket="+socket,
		"--pid-file="+filepath.Join(dir, "pid"), "--max-connect-errors=3", "--innodb-flush-method=nosync")...))
	p.Stderr.AwaitMatch(t, "ready for connections")
	return local(port), func(sql string) string {
		t.Helper()
		return output(t, exec.Command(client, "--no-defaults", "-N", "-B", "-uroot", "-S", socket, "-e", sql))
	}, p.Stderr
}
