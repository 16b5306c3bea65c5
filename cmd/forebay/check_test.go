package main

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"forebay/l4"
	"forebay/l4/handoff"
)

func TestCheckShowsWhatIsInForce(t *testing.T) {
	stdout, stderr, status := invoke(map[string]string{"FOREBAY_TRIES": "2"},
		"check", "--listen", "unix:@forebay check", "--max-conns", "5", "localhost:8000-8001,weight=3", "db1.example:5432")
	if stderr != "" || status != exitDone {
		t.Fatalf("got %q and status %d", stderr, status)
	}
	for _, want := range []string{
		"listen                   unix:@forebay check ",
		"max-conns                5 ",
		"tries                    2                                              environment\n",
		"idle-timeout             1h                                             default\n",
		"backend                  localhost:8000-8001,weight=3 db1.example:5432  argument\n",
		"connect-budget           10s                                            default\n",
		"backend localhost:8001 is 127.0.0.1:8001 [::1]:8001\n",
		"sessions: at most 5, as --max-conns says",
		"forebay serve '--listen=unix:@forebay check' --tries=2 --max-conns=5 localhost:8000-8001,weight=3 db1.example:5432\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got\n%swant it to have\n%s", stdout, want)
		}
	}
}

// What help calls off or none may be written so, to take back what the environment says.
func TestOffIsWrittenAsItIsShown(t *testing.T) {
	environment := map[string]string{"FOREBAY_HEDGE_AFTER": "150ms", "FOREBAY_MAX_LIFETIME": "1h"}
	stdout, stderr, status := invoke(environment, "check", "-l", "127.0.0.1:0", "--hedge-after", "off", "--max-lifetime", "none",
		"--replay", "none", "--eject-slow", "off", "--panic-threshold", "0", "127.0.0.1:1")
	if stderr != "" || status != exitDone {
		t.Fatalf("got %q and status %d", stderr, status)
	}
	for name, want := range map[string]string{"hedge-after": "off", "max-lifetime": "none", "replay": "off", "eject-slow": "off", "panic-threshold": "off"} {
		if !regexp.MustCompile(`(?m)^` + name + ` +` + want + ` +flag$`).MatchString(stdout) {
			t.Errorf("got\n%swant it to show %s %s", stdout, name, want)
		}
	}
	if _, _, status := invoke(nil, "check", "-l", "127.0.0.1:0", "--idle-timeout", "off", "127.0.0.1:1"); status != exitUsage {
		t.Errorf("off for a default that is not called so: status %d", status)
	}
}

// What is left open is shown with what it comes to, and what nothing reads as such.
func TestCheckSettlesWhatIsOpen(t *testing.T) {
	somaxconn, err := os.ReadFile(somaxconnPath)
	if err != nil {
		t.Fatal(err)
	}
	ring := "yes"
	if err := l4.IOUring(); err != nil {
		ring = fmt.Sprintf("no (%v)", err)
	}
	for args, want := range map[string][]string{
		"": {
			"io-uring auto: " + ring + " default",
			"backlog auto: " + strings.TrimSpace(string(somaxconn)) + " default",
			fmt.Sprintf("loops auto: up to %d default", l4.LoopsFor(0)),
			"log auto: json default", "log-file standard output default", "connect-budget 15s default", "queue-timeout 5s default",
			"lifetime-jitter – default", "hash-load-factor – default", "proxy-timeout – default", "proxy-tlv – default",
		},
		"--backlog 7 --loops 2 --io-uring off --log text --connect-budget 7s": {"io-uring off flag", "backlog 7 flag", "loops 2 flag", "log text flag", "connect-budget 7s flag"},
		"--backlog auto --loops auto --log auto --log-file /dev/null":         {"log auto: json flag", fmt.Sprintf("loops auto: up to %d flag", l4.LoopsFor(0))},
		"--max-lifetime 1h --policy source --queue 0 --log off --proxy-in ::1 --proxy-out v2": {
			"lifetime-jitter 10% default", "hash-load-factor 1.25 default", "queue-timeout – default", "log-file – default", "log-empty – default",
			"proxy-timeout 5s default", "proxy-tlv none default",
		},
	} {
		stdout, stderr, _ := invoke(nil, append(strings.Fields("check 127.0.0.1:1 "+args), "127.0.0.1:2")...)
		var lines []string
		for line := range strings.Lines(stdout) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
		for _, w := range want {
			if !slices.Contains(lines, w) {
				t.Errorf("%s: got %s\n%swant it to have %q", args, stderr, stdout, w)
			}
		}
	}
}

func TestHedgeOverOneName(t *testing.T) {
	stdout, stderr, status := invoke(nil, "check", "--hedge-after", "150ms", "db1.example:5432")
	want := "\n\nhedge-after needs a second backend, and db1.example:5432(192.0.2.1) is the only one now\n"
	if !strings.HasSuffix(stdout, want) || status != exitDone {
		t.Errorf("got status %d, %s\n%s\nwant %q at the end", status, stderr, stdout, want)
	}
}

func TestCheckLeavesTheAddressFree(t *testing.T) {
	l, err := net.Listen("tcp", "127.83.0.1:0") // from where no outgoing connection takes the port meanwhile
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	if _, stderr, status := invoke(nil, "check", "-l", at, "127.0.0.1:1"); status != exitDone {
		t.Fatalf("got %q and status %d", stderr, status)
	}
	if l, err = net.Listen("tcp", at); err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// A forebay that runs is no fault of the command line that will replace it; another program is.
func TestCheckBesideARunningForebay(t *testing.T) {
	for _, test := range []struct {
		program string
		status  int
		stdout  string // at its end
		stderr  string
	}{
		{"forebay", exitDone, "\n\nlisten %s is in use by forebay (pid %d): a restart must stop that first\n", ""},
		{"other", exitUsage, "", "forebay: listen on %s: address already in use by other (pid %d)\n"},
	} {
		at, pid := holdPort(t, test.program)
		var stdout, stderr bytes.Buffer
		e := testEnv(&stdout, &stderr, "check", "-l", at, "127.0.0.1:1")
		e.probe = handoff.Probe
		status := run(e)
		says := func(format string) string {
			if format == "" {
				return ""
			}
			return fmt.Sprintf(format, at, pid)
		}
		if status != test.status || stderr.String() != says(test.stderr) || !strings.HasSuffix(stdout.String(), says(test.stdout)) {
			t.Errorf("%s: got status %d, %q and\n%s", test.program, status, &stderr, &stdout)
		}
		if test.status != exitDone && stdout.Len() > 0 {
			t.Errorf("%s: got %q, want no settings", test.program, &stdout)
		}
	}
}

// holdPort starts a process called name that has a listening socket, and returns where and which.
func holdPort(t *testing.T, name string) (at string, pid int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink("/bin/sh", path); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-c", "read end")
	cmd.ExtraFiles = []*os.File{socket}
	end, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end.Close(); cmd.Wait() })
	return l.Addr().String(), cmd.Process.Pid
}

// What depends on the machine: how many descriptors and how long a backlog it allows.
func TestLimitsOfTheMachine(t *testing.T) {
	for args, want := range map[string]string{
		"--max-conns 2000000000": "forebay: --max-conns: 2000000000 sessions do not fit into the limit of ",
		"--backlog 2000000000":   "forebay: --backlog: 2000000000 is more than the kernel allows; write at most ",
	} {
		_, stderr, status := invoke(nil, append(strings.Fields(args), "127.0.0.1:1")...)
		if !strings.HasPrefix(stderr, want) || strings.Count(stderr, "\n") != 1 || status != exitUsage {
			t.Errorf("%s: got %q and status %d, want %q… and %d", args, stderr, status, want, exitUsage)
		}
	}
}

// A backend is this process itself by any address of the machine, and by any spelling of a socket's path.
func TestCirclesAreRefused(t *testing.T) {
	dir := t.TempDir()
	backends := map[string]string{"unix:" + dir + "/./s": "unix:" + dir + "/s"}
	own, err := handoff.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range own {
		backends[netip.AddrPortFrom(ip, 8999).String()] = ":8999"
	}
	for backend, listen := range backends {
		want := fmt.Sprintf("forebay: backend %s is where this process would listen itself (%s); sessions would go round in circles\n", backend, listen)
		for _, command := range []string{"serve", "check"} {
			if _, stderr, status := invoke(nil, command, "-l", listen, backend); stderr != want || status != exitUsage {
				t.Errorf("%s %s: got %q and status %d, want %q and %d", command, backend, stderr, status, want, exitUsage)
			}
		}
	}
}

func TestUnwritableLogFile(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write anything")
	}
	dir := t.TempDir()
	path := dir + "/log"
	if err := os.WriteFile(path, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	for path, want := range map[string]string{
		path:         "write to " + path,
		dir + "/new": dir + "/new can't be made in " + dir,
	} {
		want = "forebay: --log-file: " + want + ": permission denied: let this user write there, or name another\n"
		if _, stderr, status := invoke(nil, "check", "--log-file", path, "127.0.0.1:1"); status != exitUsage || stderr != want {
			t.Errorf("got %q and status %d, want %q and %d", stderr, status, want, exitUsage)
		}
	}
}
