package main

import (
	"net"
	"os"
	"strings"
	"testing"
)

func TestCheckShowsWhatIsInForce(t *testing.T) {
	stdout, stderr, status := invoke(map[string]string{"FOREBAY_TRIES": "2"},
		"check", "--listen", "unix:@forebay check", "--max-conns", "5", "localhost:8000-8001,weight=3", "db1.example:5432")
	if stderr != "" || status != exitDone {
		t.Fatalf("got %q and status %d", stderr, status)
	}
	for _, want := range []string{
		"listen              unix:@forebay check ",
		"max-conns           5 ",
		"tries               2                                              environment\n",
		"idle-timeout        1h                                             default\n",
		"backend             localhost:8000-8001,weight=3 db1.example:5432  argument\n",
		"connect-budget      tries × connect-timeout                        default\n",
		"backend localhost:8001 is 127.0.0.1:8001 [::1]:8001\n",
		"sessions: at most 5, as --max-conns says",
		"forebay serve '--listen=unix:@forebay check' --tries=2 --max-conns=5 localhost:8000-8001,weight=3 db1.example:5432\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got\n%swant it to have\n%s", stdout, want)
		}
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

func TestUnwritableLogFile(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write anything")
	}
	path := t.TempDir() + "/log"
	if err := os.WriteFile(path, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := invoke(nil, "check", "--log-file", path, "127.0.0.1:1"); status != exitUsage || !strings.Contains(stderr, "permission denied") {
		t.Errorf("got %q and status %d", stderr, status)
	}
}
