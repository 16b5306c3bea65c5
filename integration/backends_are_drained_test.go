package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"forebay/l4/l4test"
)

// A drainFile is one for --drain-file.
type drainFile struct {
	t    *testing.T
	path string
}

func newDrainFile(t *testing.T) drainFile { return drainFile{t, filepath.Join(t.TempDir(), "drained")} }

// put has the file say text.
func (f drainFile) put(text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// numbered starts backends that tell their numbers. Asked for e, they echo; asked for d, they send two parts and their
// FIN.
func numbered(t *testing.T, part, rest int64) (all []*l4test.Backend, addrs []string) {
	for i := range 4 {
		b := l4test.Serve(t, func(p *l4test.Peer) {
			if p.Send(strconv.Itoa(i)); string(p.Receive(1)) == "d" {
				p.SendContent(1, part).SendContent(2, rest).CloseWrite().ReceiveAll()
				return
			}
			l4test.EchoScript(p)
		})
		all, addrs = append(all, b), append(addrs, b.Addr())
	}
	return all, addrs
}

// reached dials, and tells the number of the backend it came to.
func reached(t *testing.T, f *forebay) (*l4test.Peer, int) {
	t.Helper()
	p := l4test.DialNarrow(t, f.Addr(), 4<<10)
	return p, int(p.Receive(1)[0] - '0')
}

// visit opens n sessions and ends them. It returns how many came to each backend.
func visit(t *testing.T, f *forebay, n int) map[int]int {
	t.Helper()
	came := map[int]int{}
	for range n {
		p, at := reached(t, f)
		p.Send("e").CloseWrite().ExpectEOF()
		came[at]++
	}
	return came
}

// wantMessage fails unless a line of stderr has the fields.
func wantMessage(t *testing.T, line string, want map[string]any) {
	t.Helper()
	got := map[string]any{}
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v: %s", name, got[name], value, line)
		}
	}
}

// A backend that is written into the file gets no more sessions. Those it has end in good order, those first that are
// idle, and a download under way arrives whole. Taken out of the file, it serves again. The sessions of the others
// notice nothing.
func TestBackendsAreDrained(t *testing.T) {
	t.Parallel()
	const each, victim, part, rest = 3, 2, 64 << 10, 8 * mib
	file := newDrainFile(t)
	backends, addrs := numbered(t, part, rest)
	f := start(t, unwatched(append(addrs, "--slow-start", "0", "--drain-file", file.path)...)...)
	sessions := map[int][]*l4test.Peer{}
	for range each * len(backends) {
		p, n := reached(t, f)
		sessions[n] = append(sessions[n], p)
	}
	if len(sessions[victim]) != each {
		t.Fatalf("backend %d has %d sessions, want %d", victim, len(sessions[victim]), each)
	}
	busy, idle := sessions[victim][0], sessions[victim][1:]
	delete(sessions, victim)
	busy.Send("d").ExpectContent(1, part) // and then the client takes its time
	for _, p := range slices.Concat(idle, sessions[0], sessions[1], sessions[3]) {
		p.Send("ex").Expect("x")
	}

	file.put("# for an update\n" + addrs[victim] + ",idle=200ms,spread=1s,deadline=10m\n")
	wantMessage(t, f.Stderr.AwaitMatch(t, "draining a backend"), map[string]any{"backend": addrs[victim], "sessions": 3.0, "of": 3.0, "deadline": "10m"})
	for _, p := range idle {
		p.ExpectEOF().CloseWrite()
	}
	for _, e := range f.Sessions(len(idle)) {
		wantCause(t, e, "drained")
	}
	if came := visit(t, f, 2*len(backends)); came[victim] > 0 {
		t.Errorf("%d sessions came to the backend that is drained", came[victim])
	}
	f.Stderr.AwaitMatch(t, `draining a backend.*"sessions":1,"of":3,"leaving":0,"oldest":"[^"]+","eta":"9m`)

	file.put(addrs[victim] + ",idle=200\n")
	f.Allow("can't be used")
	f.Stderr.AwaitMatch(t, "can't be used.*line 1.*idle.*no unit")
	if n := backends[victim].Accepted(); n != each {
		t.Errorf("%d sessions have come to the backend that is drained, want the %d from before", n, each)
	}

	busy.ExpectContent(2, rest).ExpectEOF().CloseWrite()
	wantMessage(t, f.Stderr.AwaitMatch(t, "a backend is drained"), map[string]any{"level": "INFO", "backend": addrs[victim], "sessions": 3.0})
	wantBytes(t, f.Sessions(len(idle) + 2*len(backends) + 1)[len(idle)+2*len(backends)], 1, 1+part+rest)

	file.put("")
	wantMessage(t, f.Stderr.AwaitMatch(t, "takes sessions again"), map[string]any{"backend": addrs[victim]})
	if came := visit(t, f, len(backends)); came[victim] == 0 {
		t.Errorf("sessions came to %v, want one to backend %d, too", came, victim)
	}
	for _, p := range slices.Concat(sessions[0], sessions[1], sessions[3]) {
		p.Send("yz").Expect("yz").CloseWrite().ExpectEOF()
	}
}

// A backend that is in the file at the start never gets a session, on no route; and SIGHUP has it serve at once.
func TestDrainedBackendsAreNotReached(t *testing.T) {
	t.Parallel()
	file := newDrainFile(t)
	backends, addrs := numbered(t, 0, 0)
	file.put(addrs[0] + "\n" + addrs[1] + "\n" + addrs[2] + "\n")
	f := start(t, unwatched(append(addrs[:2], "--slow-start", "0", "--drain-file", file.path,
		"--route", "a.example="+addrs[1]+","+addrs[2]+","+addrs[3])...)...)
	f.Allow("every backend is drained")
	f.Stderr.AwaitMatch(t, `every backend is drained.*"route":"\*"`)
	l4test.Dial(t, f.Addr()).Send("x").ExpectReset()
	wantCause(t, f.Session(), "no-backend")

	file.put(addrs[0] + "\n" + addrs[2] + "\n")
	f.Signal(syscall.SIGHUP)
	f.Stderr.AwaitMatch(t, "no log file to open anew") // which comes after the drains
	p := l4test.Dial(t, f.Addr()).Send("e")
	p.Expect("1").CloseWrite().ExpectEOF()
	for i, b := range backends {
		if n := b.Accepted(); n > 0 && i != 1 {
			t.Errorf("backend %d has had %d sessions", i, n)
		}
	}
}

// What is left at the deadline is cut, and an operator reads so.
func TestDrainsEndAtTheDeadline(t *testing.T) {
	t.Parallel()
	file := newDrainFile(t)
	quiet := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("x").ExpectReset() })
	f := start(t, unwatched("--drain-file", file.path, quiet.Addr(), l4test.Echo(t).Addr())...)
	f.Allow("cut at the deadline")
	p := l4test.Dial(t, f.Addr()).Send("x")
	l4test.Await(t, patience, "the session is relayed", func() bool { return quiet.Accepted() == 1 })
	file.put(quiet.Addr() + ",idle=0,spread=0,deadline=1s")
	p.ExpectReset()
	wantCause(t, f.Session(), "drain-cut")
	wantMessage(t, f.Stderr.AwaitMatch(t, "a backend is drained"), map[string]any{"level": "WARN", "cut": 1.0, "sessions": 1.0})
}
