package health

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"forebay/pool"
)

// A place is where a check goes instead of where the traffic goes: another port, another host and port, or a UNIX
// socket. The zero place is where the traffic goes.
type place struct {
	host string // "": the backend's
	port uint16 // 0 only with path, and in the zero place
	path string
}

// String returns PORT, HOST:PORT or unix:PATH, "" for the zero place.
func (p place) String() string {
	switch {
	case p.path != "":
		return "unix:" + p.path
	case p.host != "":
		return p.hostPort(p.host)
	case p.port != 0:
		return strconv.Itoa(int(p.port))
	}
	return ""
}

func (p place) hostPort(host string) string { return net.JoinHostPort(host, strconv.Itoa(int(p.port))) }

// readPlace reads PORT, :PORT, HOST:PORT or unix:PATH.
func readPlace(text string) (place, error) {
	port, bare := strings.CutPrefix(text, ":")
	bare = bare && !strings.Contains(port, ":") || strings.Trim(text, "0123456789-") == ""
	if bare {
		text = "localhost:" + port
	}
	var s pool.Spec // it has the rules and the error texts for a backend's place
	if err := s.UnmarshalText([]byte(text)); err != nil {
		return place{}, errors.Unwrap(err)
	}
	if s.First != s.Last {
		return place{}, fmt.Errorf("%d-%d are many ports: a check goes to one", s.First, s.Last)
	}
	if bare {
		return place{port: s.First}, nil
	}
	return place{host: s.Host, port: s.First, path: s.Path}, nil
}

// of returns where a check of t goes.
func (p place) of(t Target) (Target, error) {
	switch {
	case p == place{}:
		return t, nil
	case p.path != "":
		return Target{Network: "unix", Address: p.path, Name: t.Name}, nil
	case p.host != "":
		return Target{Network: "tcp", Address: p.hostPort(p.host), Name: p.host}, nil
	}
	host, _, err := net.SplitHostPort(t.Address)
	if t.Network == "unix" || err != nil {
		return Target{}, fmt.Errorf("port %d of %s: it has no ports: write HOST:%d", p.port, t.Address, p.port)
	}
	return Target{Network: "tcp", Address: p.hostPort(host), Name: t.Name}, nil
}
