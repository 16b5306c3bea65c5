package integration

import (
	"fmt"
	"net"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A thousand backends are looked after at the intervals that are without a flag, and it costs little: so much is
// logged, and only what would be a catastrophe fails. With queues looked at the kernel's word stands for the checks of
// these, which are all on this machine; without they are checked as others are.
func TestThousandBackendsAreChecked(t *testing.T) {
	measures(t)
	const backends, most = 1000, 15 // percent of a processor
	for _, test := range []struct {
		name string
		args []string
	}{
		{"checked", []string{"--eject-waiting", "0"}},
		{"told of by the kernel", []string{"--slow-start", "0"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", l4test.Reserve(t, "0.0.0.0:0")) // all of 127.0.0.0/8 is there
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			args := append(test.args, "--log", "off")
			for i := range backends {
				args = append(args, fmt.Sprintf("127.1.%d.%d:%s", i/250, i%250+1, port))
			}
			f := start(t, args...)
			f.Allow("a backend is down|no backend is up")
			<-time.After(time.Second) // the first round is made at once
			const during = 4 * time.Second
			used := 100 * f.CPUDuring(during).Seconds() / during.Seconds()
			t.Logf("%d backends take %.1f %% of a processor", backends, used)
			if used > most {
				t.Errorf("%d backends take %.1f %% of a processor, want 3, and %d at most", backends, used, most)
			}
			l.Close()                            // they were all looked after if all are found to be gone now
			f.Stderr.AwaitCount(t, 1+backends+1) // the greeting, one line each, and that none is left
			if n := f.countLines("a backend is down"); n != backends {
				t.Errorf("%d of %d backends were found to be gone", n, backends)
			}
		})
	}
}
