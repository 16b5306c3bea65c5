package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"forebay/l4/handoff"
	"forebay/l4/l4test"
)

func TestMain(m *testing.M) { os.Exit(l4test.Main(m)) }

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

// A running is a balancer in this process, before one backend that echoes.
type running struct {
	t        testing.TB
	signals  chan<- os.Signal
	messages chan map[string]any // of the process, as they come
	stdout   *bytes.Buffer       // to be read when it has ended
	status   chan int
	address  string // of the first listener
}

// start runs a command line, less the backend, and waits until it serves.
func start(t testing.TB, args ...string) *running {
	t.Helper()
	return startBefore(t, l4test.Echo(t).Addr(), args...)
}

// startBefore is start with a backend of the test's own.
func startBefore(t testing.TB, backend string, args ...string) *running {
	t.Helper()
	r := &running{t: t, messages: make(chan map[string]any, 64), stdout: &bytes.Buffer{}, status: make(chan int, 1)}
	stderr, lines := io.Pipe()
	e := testEnv(r.stdout, nil, append(args, backend)...)
	e.stderr = lines
	e.notify = func(c chan<- os.Signal, _ ...os.Signal) { r.signals = c }
	go func() {
		decoder := json.NewDecoder(stderr)
		for {
			var message map[string]any
			if err := decoder.Decode(&message); err != nil {
				stderr.CloseWithError(err)
				close(r.messages)
				return
			}
			r.messages <- message
		}
	}()
	go func() {
		r.status <- run(e)
		lines.Close()
	}()
	serving := r.wait("serving")
	r.address = serving["listeners"].([]any)[0].(string)
	return r
}

// wait returns the next message that begins with text.
func (r *running) wait(text string) map[string]any {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case m, ok := <-r.messages:
			if !ok {
				r.t.Fatalf("ended without the message %q", text)
			}
			if strings.HasPrefix(m["msg"].(string), text) {
				return m
			}
		case <-deadline:
			r.t.Fatalf("no message %q", text)
		}
	}
}

// ends checks the exit status.
func (r *running) ends(want int) {
	r.t.Helper()
	select {
	case got := <-r.status:
		if got != want {
			r.t.Errorf("got exit status %d, want %d", got, want)
		}
	case <-time.After(patience):
		r.t.Fatal("still running")
	}
}

// dial opens a session that has carried text both ways.
func (r *running) dial(text string) net.Conn {
	r.t.Helper()
	network := "tcp"
	address, isPath := strings.CutPrefix(r.address, "unix:")
	if isPath {
		network = "unix"
	}
	c, err := net.Dial(network, address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	exchange(r.t, c, text)
	return c
}

func exchange(t testing.TB, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("got %q, %v; want %q", got, err, text)
	}
}

func TestServesAndDrains(t *testing.T) {
	r := start(t, "--listen", "127.0.0.1:0")
	c := r.dial("before")
	r.signals <- syscall.SIGTERM
	if m := r.wait("draining"); m["sessions"] != 1.0 {
		t.Errorf("got %v, want 1 session", m)
	}
	exchange(t, c, "while it drains")
	c.Close()
	m := r.wait("stopped")
	r.ends(exitDone)
	if causes, _ := m["causes"].(map[string]any); m["total"] != 1.0 || m["empty"] != 0.0 || causes["client-closed"] != 1.0 || len(causes) != 1 {
		t.Errorf("got %v, want one session, not empty, that its client closed", m)
	}
	var line struct {
		Cause      string
		FromClient int `json:"from_client"`
	}
	if err := json.Unmarshal(r.stdout.Bytes(), &line); err != nil || line.Cause != "client-closed" || line.FromClient != len("before"+"while it drains") {
		t.Errorf("access log: got %s (%v)", r.stdout, err)
	}
}

func TestDrainTimeoutCuts(t *testing.T) {
	r := start(t, "--listen", "127.0.0.1:0", "--drain-timeout", "10ms")
	c := r.dial("x")
	r.signals <- syscall.SIGINT
	if m := r.wait("stopped before"); m["cut"] != 1.0 {
		t.Errorf("got %v, want 1 cut", m)
	}
	r.ends(exitFailed)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
	if !strings.Contains(r.stdout.String(), `"cause":"drain-cut"`) {
		t.Errorf("access log: got %s", r.stdout)
	}
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	r := start(t, "--listen", "127.0.0.1:0", "--drain-timeout", "1h")
	r.dial("x")
	r.signals <- syscall.SIGTERM
	r.wait("draining")
	r.signals <- syscall.SIGHUP // no stop
	r.wait("SIGHUP")
	<-time.After(echoTime)
	r.signals <- syscall.SIGTERM
	r.signals <- syscall.SIGTERM // the status stays what it is
	if m := r.wait("stopping at once"); m["sessions"] != 1.0 {
		t.Errorf("got %v, want 1 session", m)
	}
	r.wait("stopped before")
	r.ends(exitFailed)
	if !strings.Contains(r.stdout.String(), `"cause":"stopped"`) {
		t.Errorf("access log: got %s", r.stdout)
	}
}

// Who signals a process and its group, as timeout(1) does, wants it to stop as if told once.
func TestEchoOfASignalStopsNothingAtOnce(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := &process{plan: &plan{}, logger: slog.New(slog.DiscardHandler)}
		begun := time.Now()
		for _, step := range []struct {
			at   time.Duration
			sig  os.Signal
			want bool
		}{
			{0, syscall.SIGHUP, false},
			{0, syscall.SIGTERM, true},
			{0, syscall.SIGTERM, false},
			{0, syscall.SIGHUP, false},
			{echoTime - 1, syscall.SIGINT, false},
			{echoTime, syscall.SIGINT, true},
			{echoTime, syscall.SIGTERM, true},
		} {
			time.Sleep(step.at - time.Since(begun))
			if got := p.stops(step.sig); got != step.want {
				t.Errorf("%v after %v: got %v, want %v", step.sig, step.at, got, step.want)
			}
		}
	})
}

func TestHangupOpensTheLogFileAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	r := start(t, "--listen", "127.0.0.1:0", "--log-file", path, "--log", "text")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	r.signals <- syscall.SIGPIPE // says nothing
	r.signals <- syscall.SIGHUP
	r.wait("opened the log file anew")
	r.dial("x").Close()
	r.signals <- syscall.SIGTERM
	r.ends(exitDone)
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "cause=client-closed") {
		t.Errorf("got %q, %v; want a session", text, err)
	}
	if old, err := os.ReadFile(path + ".1"); err != nil || len(old) != 0 {
		t.Errorf("the old file: got %q, %v; want nothing", old, err)
	}
}

func TestSocketFileIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := start(t, "--listen", "unix:"+path)
	r.dial("x").Close()
	r.signals <- syscall.SIGTERM
	r.ends(exitDone)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want it gone", err)
	}
}

// Whoever reaches a UNIX socket is believed, and must say whom it speaks for, where that is asked for.
func TestHeaderOnAUNIXSocket(t *testing.T) {
	r := start(t, "--listen", "unix:"+filepath.Join(t.TempDir(), "s"), "--proxy-in", "unix")
	c, err := net.Dial("unix", strings.TrimPrefix(r.address, "unix:"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "PROXY TCP4 192.0.2.1 198.51.100.2 4321 80\r\n")
	exchange(t, c, "hello")
	c.Close()
	if c, err = net.Dial("unix", strings.TrimPrefix(r.address, "unix:")); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "hello")
	if got, _ := io.ReadAll(c); len(got) > 0 {
		t.Errorf("without a header: got %q, want nothing", got)
	}
	clients := map[any]any{}
	for _, line := range r.stop() {
		clients[line["cause"]] = line["client"]
	}
	if want := map[any]any{"client-closed": "192.0.2.1:4321", "proxy-refused": nil}; !maps.Equal(clients, want) {
		t.Errorf("got %v, want %v", clients, want)
	}
}

func TestTakenPortStartsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	logFile := filepath.Join(t.TempDir(), "access.log")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	want := fmt.Sprintf("forebay: listen on %s: address already in use by this process itself\n", taken.Addr())
	for _, command := range []string{"serve", "check"} {
		var stdout, stderr bytes.Buffer
		e := testEnv(&stdout, &stderr, command, "-l", "unix:"+path, "-l", taken.Addr().String(), "--log-file", logFile, "127.0.0.1:1")
		e.probe = handoff.Probe
		if status := run(e); stderr.String() != want || status != exitUsage {
			t.Errorf("%s: got %q and %d, want %q and %d", command, &stderr, status, want, exitUsage)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket: got %v, want none", err)
	}
}

func TestLimitReachesTheServer(t *testing.T) {
	var stdout, stderr bytes.Buffer
	for args, want := range map[string]int{"--max-conns 7": 7, "--max-conns auto": 0} {
		c := read(nil, append(strings.Fields(args), "-l", "127.0.0.1:0", "127.0.0.1:1")...)
		err := balance(testEnv(&stdout, &stderr), c, func(p *process) {
			if want == 0 {
				want = p.sessions
			}
			if got := p.server.Snapshot().MaxConns; got != want || got < 1 {
				t.Errorf("%s: got %d, want %d", args, got, want)
			}
		})
		if err != nil {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestBannerOnATerminal(t *testing.T) {
	var stdout, stderr bytes.Buffer
	e := testEnv(&stdout, &stderr, "-l", "127.0.0.1:0", "-l", ":0", "--max-conns", "5", "10.0.0.1:1-9")
	e.stdoutIs, e.stderrIs = toTerminal, toTerminal
	if status := run(e); status != exitDone {
		t.Errorf("got exit status %d", status)
	}
	for _, want := range []string{"listening  127.0.0.1:", ", :", "10.0.0.1:1, 10.0.0.1:2 … 10.0.0.1:9, 9 in all (round-robin)", "at most 5, as --max-conns says", "Ctrl-C"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("got %s, want it to have %q", &stderr, want)
		}
	}
}

// Messages and lines of sessions may stand on one terminal, and are in time with each other.
func TestMessagesTellTheTimeInUTC(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678900999, time.FixedZone("far", 9*60*60))
	for kind, want := range map[output]string{toReader: `{"time":"2026-01-01T18:04:05.678900Z",`, toTerminal: "time=2026-01-01T18:04:05.678900Z "} {
		var stderr bytes.Buffer
		e := testEnv(new(bytes.Buffer), &stderr)
		e.stderrIs = kind
		if err := e.logger().Handler().Handle(t.Context(), slog.NewRecord(at, slog.LevelInfo, "hello", 0)); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(stderr.String(), want) {
			t.Errorf("got %s, want it to begin with %s", &stderr, want)
		}
	}
}
