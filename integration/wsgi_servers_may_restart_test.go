package integration

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// app answers with what the server knows of the client.
const app = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s:%s\n" % (environ["REMOTE_ADDR"], environ.get("REMOTE_PORT", ""))).encode()]
`

// A wsgiServer is a WSGI server's command for a port.
type wsgiServer func(t testing.TB, port int) *exec.Cmd

func waitress(t testing.TB, port int) *exec.Cmd {
	cmd := exec.Command(need(t, "waitress-serve"), "--listen="+local(port), "--threads=4", "app:app")
	cmd.Dir = filepath.Dir(write(t, "app.py", app))
	return cmd
}

func gunicorn(t testing.TB, port int) *exec.Cmd {
	cmd := exec.Command(need(t, "gunicorn"), "--bind", local(port), "--threads", "4", "app:app")
	cmd.Dir = filepath.Dir(write(t, "app.py", app))
	return ownGroup(cmd)
}

// Four servers answer on four ports, one is killed under load and started again: only requests that it had in its hands
// fail, and then it serves like the others.
func TestWSGIServersMayRestart(t *testing.T) {
	ab, wrk, curl := need(t, "ab"), need(t, "wrk"), need(t, "curl")
	for name, server := range map[string]wsgiServer{"waitress": waitress, "gunicorn": gunicorn} {
		t.Run(name, func(t *testing.T) {
			first := freePorts(t, 4)
			var servers []*process
			for port := first; port < first+4; port++ {
				servers = append(servers, serve(t, local(port), server(t, port)))
			}
			f := start(t, "--slow-start", "0", local(first)+"-"+strconv.Itoa(first+3))
			f.Allow("a backend is (down|ejected)")
			output(t, exec.Command(curl, "-sS", "--fail", "http://"+f.Addr()+"/"))

			const clients = 16
			restart := func() {
				<-time.After(700 * time.Millisecond)
				servers[1].Signal(syscall.SIGKILL)
				servers[1].Wait()
				<-time.After(700 * time.Millisecond)
				servers[1] = serve(t, local(first+1), server(t, first+1))
			}
			load := run(t, exec.Command(ab, "-r", "-q", "-t", "3", "-n", "1000000", "-c", strconv.Itoa(clients), "http://"+f.Addr()+"/"))
			restart()
			text := load.Output(t)
			wantAtMost(t, text, `Complete requests: +(\d+)`, -1)
			wantAtMost(t, text, `Connect: (\d+), Receive`, 0)
			wantAtMost(t, text, `Receive: (\d+)`, clients)
			wantAtMost(t, text, `Non-2xx responses: +(\d+)`, 0)
			load = run(t, exec.Command(wrk, "--timeout", "20s", "-t", "1", "-c", strconv.Itoa(clients), "-d", "3s", "http://"+f.Addr()+"/"))
			restart()
			text = load.Output(t)
			wantAtMost(t, text, `(\d+) requests in`, -1)
			wantAtMost(t, text, `Socket errors: connect (\d+)`, 0)
			wantAtMost(t, text, `Socket errors: connect \d+, read (\d+)`, clients)
			wantAtMost(t, text, `timeout (\d+)`, 0)
			wantAtMost(t, text, `Non-2xx or 3xx responses: (\d+)`, 0)
			awaitUp(t, f, local(first+1))
			wantServing(t, f, local(first+1))
			f.wantOnlyHarm(t, local(first+1))
		})
	}
}

// wantOnlyHarm fails if a session found no backend, or if one was reset by another backend than this.
func (f *forebay) wantOnlyHarm(t *testing.T, backend string) {
	t.Helper()
	for _, line := range f.Stdout.All() {
		e := parse(t, line)
		switch e.Cause {
		case "client-closed", "client-reset", "client-left", "backend-closed":
		case "backend-reset":
			if e.Backend != backend {
				t.Errorf("session %d was reset by %s, want none by others than %s: %+v", e.Session, e.Backend, backend, e)
			}
		default:
			t.Errorf("session %d ended with cause %q: %+v", e.Session, e.Cause, e)
		}
	}
}

// wantAtMost finds a number in a program's report; most -1 wants it to be there and not 0, another number is the most
// it may be where it is there.
func wantAtMost(t *testing.T, text, pattern string, most int) {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil && most >= 0 {
		return
	}
	n := 0
	if m != nil {
		n, _ = strconv.Atoi(m[1])
	}
	if most >= 0 && n > most || most < 0 && n == 0 {
		t.Errorf("%s: got %d in\n%s", pattern, n, text)
	}
}

// awaitUp waits until the last that forebay has logged about a backend is that it is up.
func awaitUp(t testing.TB, f *forebay, backend string) {
	t.Helper()
	l4test.Await(t, patience, backend+" is up again", func() bool { return f.stateOf(t, backend) == "up" })
}

// wantServing fails unless the next two rounds over four backends reach that one twice.
func wantServing(t *testing.T, f *forebay, backend string) {
	t.Helper()
	awaitStandstill(t, func() int { return len(f.Stdout.All()) }) // of the load before
	const asked = 8
	known, ours := len(f.Stdout.All()), map[string]bool{}
	for range asked {
		_, from := get(t, f.Addr())
		ours[from] = true
	}
	all, served := 0, 0
	l4test.Await(t, patience, "the sessions in the log", func() bool {
		all, served = 0, 0
		for _, line := range f.Stdout.All()[known:] {
			if e := parse(t, line); ours[e.Client] {
				all++
				if e.Backend == backend {
					served++
				}
			}
		}
		return all == asked
	})
	if served != asked/4 {
		t.Errorf("the restarted server got %d of %d sessions, want %d", served, asked, asked/4)
	}
}
