package integration

import (
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// One of four gunicorn servers is stopped under load. Those whose requests it has in its hands wait, and are answered
// when it goes on; once it is known to stand still, as the kernel tells or as checks find out, nobody else comes to
// wait for it.
func TestStoppedServersHoldNobody(t *testing.T) {
	wrk, ab := need(t, "wrk"), need(t, "ab")
	for _, test := range []struct {
		name string
		args []string
		why  string
	}{
		{"without a flag", nil, `"by":"listener".*clients wait`},
		{"by a check", []string{"--check", "http:///", "--check-interval", "400ms", "--check-timeout", "1s", "--eject-waiting", "0"}, `"by":"check".*no answer in time`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			args := append(test.args, "--slow-start", "0")
			var servers []*process
			var ports []int
			for range 4 {
				port := freePort(t)
				server := gunicorn(t, port)
				server.Args = append(server.Args, "--timeout", "600") // or its master kills it, as it does not see that it was stopped too
				servers, ports, args = append(servers, serve(t, local(port), server)), append(ports, port), append(args, local(port))
			}
			f := start(t, args...)
			f.Allow("a backend is (down|ejected)")
			stopped := local(ports[1])

			const clients = 12
			load := run(t, exec.Command(wrk, "--timeout", "1m", "-t", "1", "-c", strconv.Itoa(clients), "-d", "5m", "-H", "Connection: close", "http://"+f.Addr()+"/"))
			f.Stdout.AwaitCount(t, 20*clients)
			servers[1].Signal(syscall.SIGSTOP)
			f.Stderr.AwaitMatch(t, `"backend":"`+stopped+`".*`+test.why)
			known := time.Now()
			const requests = 200
			text := output(t, exec.Command(ab, "-q", "-s", "5", "-n", strconv.Itoa(requests), "-c", strconv.Itoa(clients), "http://"+f.Addr()+"/")) // 5 s: a connect timeout
			wantAtMost(t, text, `Complete requests: +(\d+)`, -1)
			wantAtMost(t, text, `Failed requests: +(\d+)`, 0)
			wantAtMost(t, text, `Non-2xx responses: +(\d+)`, 0)
			resumed := time.Now()
			servers[1].Signal(syscall.SIGCONT)
			awaitUp(t, f, stopped)
			served := len(f.Stdout.All())
			f.Stdout.AwaitCount(t, served+20*clients)
			load.Signal(syscall.SIGINT) // it reports
			text = load.Output(t)
			wantAtMost(t, text, `(\d+) requests in`, -1)
			wantAtMost(t, text, `Socket errors: connect (\d+)`, 0)
			wantAtMost(t, text, `read (\d+)`, 0)
			wantAtMost(t, text, `timeout (\d+)`, 0)
			wantAtMost(t, text, `Non-2xx or 3xx responses: (\d+)`, 0)

			others, after := 0, 0
			for _, line := range f.Stdout.All() {
				e := parse(t, line)
				switch {
				case e.Time.After(resumed) && e.Backend == stopped:
					after++
				case e.Time.Before(known) || e.Time.After(resumed):
				case slices.ContainsFunc(e.Tries, func(t try) bool { return t.Backend == stopped }):
					t.Errorf("session %d tried the stopped server %v after that was known: %+v", e.Session, e.Time.Sub(known), e)
				default:
					others++
				}
			}
			if others < requests || after == 0 {
				t.Errorf("%d sessions went to the other servers, and then %d to the one that had been stopped, want %d and some", others, after, requests)
			}
		})
	}
}
