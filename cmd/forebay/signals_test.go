package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// silentNames returns a resolver whose name server says nothing, and a channel that has a token once it was asked.
func silentNames(t *testing.T) (resolver, <-chan struct{}) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	asked := make(chan struct{}, 100)
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		asked <- struct{}{}
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}, asked
}

// startLookingUp runs the program to where it looks a name up, and returns where its signals go, its status when it has
// ended, and what it says, to be read then.
func startLookingUp(t *testing.T) (signals chan<- os.Signal, status <-chan int, stderr *bytes.Buffer) {
	var stdout bytes.Buffer
	stderr = new(bytes.Buffer)
	names, asked := silentNames(t)
	e := testEnv(&stdout, stderr, "-l", "127.0.0.1:0", "db.example:5432")
	e.resolver = names
	asks := make(chan chan<- os.Signal, 1)
	e.notify = func(c chan<- os.Signal, which ...os.Signal) { asks <- c }
	ended := make(chan int, 1)
	go func() { ended <- run(e) }()
	<-asked
	return <-asks, ended, stderr
}

// While names are looked up, signals are caught: none ends the process out of order, and one that asks to stop is
// obeyed at once.
func TestSignalsAreCaughtFirst(t *testing.T) {
	for _, stop := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		to, status, stderr := startLookingUp(t)
		to <- syscall.SIGHUP
		to <- syscall.SIGUSR1
		to <- stop
		if got := <-status; got != exitDone || !strings.Contains(stderr.String(), "stopped before it served") {
			t.Errorf("%v: got status %d, %s", stop, got, stderr)
		}
	}
}

// However many signals follow the one that asks to stop, it is obeyed, and it is the one that is told of.
func TestStopAtTheStartIsNotDrownedOut(t *testing.T) {
	to, status, stderr := startLookingUp(t)
	late := time.After(patience)
	to <- syscall.SIGQUIT
	for {
		select {
		case to <- syscall.SIGHUP:
		case got := <-status:
			const told = `"msg":"stopped before it served","signal":"quit"`
			if got != exitDone || !strings.Contains(stderr.String(), told) {
				t.Errorf("got status %d, %s", got, stderr)
			}
			return
		case <-late:
			t.Fatal("it did not stop")
		}
	}
}

// A terminal that goes while names are looked up ends the process, as it does later.
func TestHangUpAtTheStart(t *testing.T) {
	var stdout, stderr bytes.Buffer
	names, asked := silentNames(t)
	e := testEnv(&stdout, &stderr, "-l", "127.0.0.1:0", "db.example:5432")
	e.resolver = names
	e.terminal = terminal{had: true, find: func() error { return syscall.ENXIO }}
	signals := make(chan chan<- os.Signal, 1)
	e.notify = func(c chan<- os.Signal, which ...os.Signal) { signals <- c }
	status := make(chan int, 1)
	go func() { status <- run(e) }()
	<-asked
	(<-signals) <- syscall.SIGHUP
	if got := <-status; got != exitDone || !strings.Contains(stderr.String(), `"msg":"stopped before it served","signal":"hangup"`) {
		t.Errorf("got status %d, %s", got, &stderr)
	}
}

// What came before it served is not forgotten: a signal to stop stops it, any other has been obeyed by starting.
func TestSignalsFromTheStartAreObeyed(t *testing.T) {
	var stdout, stderr bytes.Buffer
	e := testEnv(&stdout, &stderr, "-l", "127.0.0.1:0", "127.0.0.1:1")
	e.notify = func(c chan<- os.Signal, _ ...os.Signal) {
		c <- syscall.SIGHUP
		c <- syscall.SIGQUIT
	}
	if status := run(e); status != exitDone || !strings.Contains(stderr.String(), `"msg":"draining","signal":"quit"`) {
		t.Errorf("got status %d, %s", status, &stderr)
	}
}

// SIGHUP means that the terminal is gone where it is, and only then.
func TestHangUp(t *testing.T) {
	for name, test := range map[string]struct {
		had   bool
		finds []error // one after the other
		gone  bool
	}{
		"a daemon":               {false, []error{syscall.ENXIO}, false},
		"on a terminal":          {true, []error{nil, nil}, false},
		"without a descriptor":   {true, []error{syscall.EMFILE, syscall.EMFILE}, false},
		"the terminal is gone":   {true, []error{syscall.ENXIO}, true},
		"it goes after the word": {true, []error{nil, syscall.ENXIO}, true},
	} {
		l4test.Bubble(t, func(t *testing.T) {
			began, tty := time.Now(), terminal{had: test.had}
			tty.find = func() error {
				err := test.finds[0]
				test.finds = test.finds[1:]
				return err
			}
			if got := tty.gone(); got != test.gone || time.Since(began) > hangUpTime {
				t.Errorf("%s: got %v after %v, want %v", name, got, time.Since(began), test.gone)
			}
		})
	}
}

func TestSignalsAtWork(t *testing.T) {
	r := start(t, "--listen", "127.0.0.1:0")
	r.signals <- syscall.SIGUSR2
	r.wait("SIGUSR2")
	r.signals <- syscall.SIGUSR1
	r.wait("SIGUSR1: there is no log file")
	r.signals <- syscall.SIGHUP
	r.wait("SIGHUP: there is no log file")
	r.signals <- syscall.SIGQUIT
	r.wait("draining")
	r.wait("stopped")
	r.ends(exitDone)
}
