package l4test

import (
	"bytes"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// What is started in a Network sees a loopback interface that is up, and nothing of this machine's.
func TestNetworkHasLoopbackAlone(t *testing.T) {
	n, err := NewNetwork(t)
	if err != nil {
		lackHosts(t, err)
	}
	var output bytes.Buffer
	links := exec.Command("ip", "-oneline", "link")
	links.Stdout, links.Stderr = &output, &output
	if err := n.Start(links); err != nil {
		t.Fatal(err)
	}
	if err := links.Wait(); err != nil {
		t.Fatalf("%v: %s", err, &output)
	}
	var up []string
	for line := range strings.Lines(output.String()) {
		if strings.Contains(line, "UP") {
			up = append(up, line)
		}
	}
	if len(up) != 1 || !strings.HasPrefix(up[0], "1: lo:") {
		t.Errorf("the links that are up are %q, want lo alone", up)
	}
	_, port, _ := net.SplitHostPort(Echo(t).Addr())
	connect := exec.Command("bash", "-c", ": </dev/tcp/127.0.0.1/"+port)
	if err := n.Start(connect); err != nil {
		t.Fatal(err)
	}
	if connect.Wait() == nil {
		t.Error("a server of this machine is reached from there")
	}
}
