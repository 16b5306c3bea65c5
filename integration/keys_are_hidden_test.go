package integration

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"forebay/l4/l4test"
)

// Another process of the same user can't look into one with keys, and can into one without.
func TestKeysAreHidden(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can be others")
	}
	a := l4test.NewAuthority(t)
	site := a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})
	for name, c := range map[string]struct {
		flags []string
		seen  bool
	}{
		"with keys":    {endTLS(site), false},
		"without keys": {nil, true},
	} {
		as := func(command ...string) *exec.Cmd {
			args := []string{"--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", "-all", "--bounding-set", "-all"}
			return exec.Command("setpriv", append(args, command...)...)
		}
		if out, err := as("test", "-x", program, "-a", "-r", site.KeyFile).CombinedOutput(); err != nil {
			t.Skipf("setpriv: %v %s, or the program is not for all", err, out)
		}
		cmd := as(append([]string{program}, serveArgs(append(c.flags, l4test.Echo(t).Addr()))...)...)
		cmd.Dir = "/"
		f := startCommand(t, cmd)
		f.Stderr.AwaitMatch(t, `"serving"`)
		out, err := as("readlink", "/proc/"+f.pid()+"/exe").CombinedOutput()
		if seen := strings.Contains(string(out), "forebay"); seen != c.seen {
			t.Errorf("%s: another process sees %q, %v; want it to: %v", name, out, err, c.seen)
		}
	}
}
