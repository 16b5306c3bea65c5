package pool

import (
	"testing"
)

func TestPolicyNames(t *testing.T) {
	if len(Policies()) != int(policyCount) {
		t.Errorf("Policies has %d of %d", len(Policies()), policyCount)
	}
	for _, p := range Policies() {
		var got Policy
		if err := got.UnmarshalText([]byte(p.String())); err != nil || got != p {
			t.Errorf("%v: got %v, %v", p, got, err)
		}
	}
}

func TestPolicyErrors(t *testing.T) {
	const all = "round-robin, least-conn, random, source, first, least-time"
	for text, want := range map[string]string{
		"roundrobin":  `no policy is named "roundrobin": did you mean round-robin? There are ` + all,
		"leastconn":   `no policy is named "leastconn": did you mean least-conn? There are ` + all,
		"Random":      `no policy is named "Random": did you mean random? There are ` + all,
		"least-times": `no policy is named "least-times": did you mean least-time? There are ` + all,
		"ip_hash":     `no policy is named "ip_hash": did you mean source? There are ` + all,
		"sticky":      `no policy is named "sticky": did you mean source? There are ` + all,
		"LEAST_CONN":  `no policy is named "LEAST_CONN": did you mean least-conn? There are ` + all,
		"wrr":         `no policy is named "wrr": did you mean round-robin? There are ` + all,
		"dns":         `no policy is named "dns": there are ` + all,
		"":            `no policy is named "": there are ` + all,
		long(1000):    `there are ` + all,
	} {
		var p Policy
		wantFault(t, &p, text, want)
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1:80":          "192.0.2.1:80",
		"[::ffff:192.0.2.1]:80": "192.0.2.1:80",
		"[2001:DB8::1]:80":      "[2001:db8::1]:80",
		"unix:/run/app.sock":    "unix:/run/app.sock",
	} {
		var a Address
		if err := a.UnmarshalText([]byte(text)); err != nil || a.String() != want || string(a.AppendTo(nil)) != want {
			t.Errorf("%s: got %s, %v, want %s", text, a, err, want)
		}
	}
}

func TestAddressErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                  `"" is no address: write IP:PORT, [IPv6]:PORT or unix:PATH; names are not looked up here`,
		"192.0.2.1":         `"192.0.2.1" has no port: write 192.0.2.1:PORT`,
		"2001:db8::1":       `an IPv6 address stands in brackets and has a port: write [2001:db8::1]:PORT`,
		"localhost:80":      `"localhost:80" is no address: write IP:PORT, [IPv6]:PORT or unix:PATH; names are not looked up here`,
		"192.0.2.1:65536":   `port 65536 is out of range: 1 to 65535 is right`,
		"192.0.2.1:80-81":   `"80-81" is no port: a number from 1 to 65535 is right`,
		"unix:":             `no path after unix: write unix:/run/app.sock`,
		"unix:" + long(108): `the path has 108 bytes; that of a UNIX socket has at most 107`,
	} {
		var a Address
		wantFault(t, &a, text, want)
	}
}
