package integration

import (
	"os/exec"
	"testing"

	"forebay/l4/l4test"
)

// enterBlue has a command run in a network namespace of its own that is called blue, as ip-netns(8) names them, and
// leaves no trace on the machine: the mounts are its own, too. In it nothing has an address, but paths are everybody's.
const enterBlue = `mount -t tmpfs tmpfs /run && mkdir /run/netns && touch /run/netns/blue &&
	mount --bind /proc/self/ns/net /run/netns/blue && exec "$0" "$@"`

// A backend is told the name of the network namespace that the session came through.
func TestNamespaceIsTold(t *testing.T) {
	t.Parallel()
	inBlue := []string{"--map-root-user", "--net", "--mount", "sh", "-c", enterBlue}
	unshare := need(t, "unshare")
	if err := exec.Command(unshare, append(inBlue, "true")...).Run(); err != nil {
		t.Skipf("namespaces can't be made here: %v", err)
	}
	path, behind := l4test.SocketPath(t), "unix:"+l4test.SocketPath(t)
	l4test.ServeAt(t, behind, func(p *l4test.Peer) {
		var src, dst [108]byte
		copy(dst[:], path)
		p.Expect(signature + "\x21\x31\x00\xdf" + string(src[:]) + string(dst[:]) + "\x30\x00\x04blue").Send("seen").ExpectEOF()
	})
	args := serveArgs([]string{"--check", "off", "-l", "unix:" + path, "--proxy-out", "v2", "--proxy-tlv", "netns", behind})
	startCommand(t, exec.Command(unshare, append(append(inBlue, program), args...)...))
	l4test.Dial(t, "unix:"+path).Expect("seen").CloseWrite().ExpectEOF()
}
