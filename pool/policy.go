package pool

import (
	"fmt"
	"strings"
)

// A Policy says to which of the backends that have room a session goes. The zero Policy is RoundRobin.
type Policy uint8

// The policies.
const (
	RoundRobin Policy = iota // one after the other, exactly by weight, evenly spread
	LeastConn                // the fewest active sessions for its weight; those that are even take turns
	Random                   // of two drawn by weight, the one with fewer active sessions for its weight
	Source                   // the same client to the same backend, by weighted rendezvous hashing of its address
	First                    // the first of the configuration that has room
	LeastTime                // the shortest smoothed connect time, times active sessions, for its weight
	policyCount
)

var policyNames = [policyCount]string{
	RoundRobin: "round-robin",
	LeastConn:  "least-conn",
	Random:     "random",
	Source:     "source",
	First:      "first",
	LeastTime:  "least-time",
}

// Policies returns all policies, the default first.
func Policies() []Policy { return []Policy{RoundRobin, LeastConn, Random, Source, First, LeastTime} }

// String returns the policy's name, as the operator writes it.
func (p Policy) String() string {
	if p < policyCount {
		return policyNames[p]
	}
	return fmt.Sprintf("policy(%d)", uint8(p))
}

// MarshalText returns the name.
func (p Policy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a name. The error lists the policies, and suggests the one that was probably meant.
func (p *Policy) UnmarshalText(text []byte) error {
	for _, known := range Policies() {
		if string(text) == known.String() {
			*p = known
			return nil
		}
	}
	if near := meantPolicy(string(text)); near != "" {
		return fmt.Errorf("no policy is named %q: did you mean %s? There are %s", text, near,
			strings.Join(policyNames[:], ", "))
	}
	return fmt.Errorf("no policy is named %q: there are %s", text, strings.Join(policyNames[:], ", "))
}

// meantPolicy returns the name of the policy that other programs (nginx, HAProxy, Envoy, IPVS, Traefik) call word, or
// else the one that is spelled most like it; "" where none is.
func meantPolicy(word string) string {
	word = strings.ReplaceAll(strings.ToLower(word), "_", "-")
	known, found := map[string]Policy{
		"rr": RoundRobin, "wrr": RoundRobin, "static-rr": RoundRobin,
		"weighted": RoundRobin, "weighted-round-robin": RoundRobin,
		"lc": LeastConn, "wlc": LeastConn, "least-connections": LeastConn,
		"least-request": LeastConn, "fewest": LeastConn,
		"two-choices": Random, "p2c": Random, "power-of-two": Random, "power-of-two-choices": Random,
		"ip-hash": Source, "iphash": Source, "hash": Source, "source-hash": Source, "source-ip": Source,
		"sh": Source, "sticky": Source, "ring-hash": Source, "consistent": Source, "consistent-hash": Source,
		"maglev": Source, "affinity": Source, "persistent": Source,
		"failover": First, "priority": First, "active-passive": First, "active-backup": First, "ordered": First,
		"latency": LeastTime, "least-latency": LeastTime, "response-time": LeastTime,
		"ewma": LeastTime, "peak-ewma": LeastTime, "fastest": LeastTime,
	}[word]
	if found {
		return known.String()
	}
	return Nearest(word, policyNames[:])
}
