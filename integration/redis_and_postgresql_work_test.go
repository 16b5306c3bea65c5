package integration

import (
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// redis-benchmark runs its commands, one at a time and pipelined, and every reply is the right one.
func TestRedisWorks(t *testing.T) {
	t.Parallel()
	benchmark, port := need(t, "redis-benchmark"), freePort(t)
	serve(t, local(port), exec.Command(need(t, "redis-server"),
		"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--appendonly", "no", "--dir", t.TempDir()))
	f := start(t, local(port))
	host, forebayPort, _ := net.SplitHostPort(f.Addr())
	for _, args := range []string{
		"-t ping,set,get,lpush,lrange_100 -n 5000 -c 50",
		"-t ping,set,get,lpush,lrange_100 -n 20000 -c 10 -P 16",
		"-t set,get -n 500 -c 5 -d 200000",
	} {
		all := append([]string{"-h", host, "-p", forebayPort, "-q"}, strings.Fields(args)...)
		text := output(t, exec.Command(benchmark, all...))
		if !strings.Contains(text, "requests per second") || strings.Contains(strings.ToLower(text), "error") {
			t.Errorf("redis-benchmark %s says:\n%s", args, text)
		}
	}
}

// pgbench runs transactions over kept connections and over one connection each, and none fails.
func TestPostgreSQLWorks(t *testing.T) {
	t.Parallel()
	as := notRoot(t)
	addr, _ := servePostgres(t, as)
	f := start(t, addr)
	host, forebayPort, _ := net.SplitHostPort(f.Addr())
	bench := func(args ...string) string {
		return output(t, as.command(need(t, "pgbench"), append([]string{"-h", host, "-p", forebayPort, "-U", "postgres"}, append(args, "postgres")...)...))
	}
	bench("-i", "-q", "-s", "1")
	for _, args := range [][]string{{"-c", "8", "-t", "50"}, {"-c", "4", "-t", "20", "-C"}, {"-c", "4", "-t", "50", "-S", "-M", "prepared"}} {
		text := bench(args...)
		wantAtMost(t, text, `number of transactions actually processed: (\d+)`, -1)
		wantAtMost(t, text, `number of failed transactions: (\d+)`, 0)
	}
}

// servePostgres starts a PostgreSQL that lets everybody in, with these settings beside, and returns where.
func servePostgres(t testing.TB, as account, settings ...string) (addr string, server *process) {
	t.Helper()
	dir, port := filepath.Join(as.dir, "data"), freePort(t)
	output(t, as.command(need(t, "initdb"), "-D", dir, "-A", "trust", "-U", "postgres", "--no-sync"))
	server = run(t, as.command(need(t, "postgres"), append([]string{"-D", dir, "-p", strconv.Itoa(port), "-k", as.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"}, settings...)...))
	server.Stderr.AwaitMatch(t, "ready to accept connections")         // it listens, and refuses, before
	t.Cleanup(func() { server.Signal(syscall.SIGINT); server.Wait() }) // its children end with it
	return local(port), server
}

// An account is who runs a program, with a directory of its own.
type account struct {
	dir  string
	cred *syscall.Credential // nil: as this process
}

// notRoot returns an account that PostgreSQL will run as: it refuses root.
func notRoot(t testing.TB) account {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if os.Geteuid() != 0 {
		return account{dir: dir}
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Skip("PostgreSQL needs an account that is not root, and there is no postgres")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return account{dir, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

func (a account) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = a.dir, append(os.Environ(), "HOME="+a.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.cred}
	return cmd
}
