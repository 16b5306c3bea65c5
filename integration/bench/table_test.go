package main

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestDigits(t *testing.T) {
	tests := []struct {
		value float64
		want  string
	}{
		{0, "0"},
		{0.00049, "0.0005"},
		{0.0512, "0.051"},
		{0.4, "0.400"},
		{1.234, "1.23"},
		{9.996, "10.0"},
		{13.64, "13.6"},
		{99.96, "100"},
		{1234.5, "1,234"},
		{1234567, "1,234,567"},
		{-123, "-123"},
		{-1234, "-1,234"},
	}
	for _, test := range tests {
		if got := digits(test.value); got != test.want {
			t.Errorf("digits(%v) = %q, want %q", test.value, got, test.want)
		}
	}
}

// ratioMetric is a row with a target on the ratio for equal threads and another for defaults.
var ratioMetric = metric{
	id: exchangeCPU, title: "CPU", unit: micros, rivals: peerNames,
	equal:    target{bound: onRatio, least: 0.95, aim: 0.80, decimals: 2},
	defaults: target{bound: onRatio, least: 0.60, aim: 0.50, decimals: 2},
}

func TestRatioIsTakenRoundByRoundToTheBetterPeer(t *testing.T) {
	c := cells{
		forebayName:   {10, 20, 30},
		nginxName:     {20, 25, 50},    // median 25: the better peer
		haproxyName:   {5, 100, 100},   // median 100, though best in one round
		referenceName: {0.1, 0.1, 0.1}, // no peer
	}
	if got, want := ratioOf(ratioMetric, c), (summary{0.6, 0.5, 0.8, 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	more := ratioMetric
	more.more = true
	if got, want := bestOf(more, c), haproxyName; got != want {
		t.Errorf("where more is better: got %s, want %s", got, want)
	}
}

func TestRatioLeavesOutRoundsThatFailed(t *testing.T) {
	c := cells{forebayName: {10, math.NaN(), 30}, nginxName: {20, 25}}
	if got, want := ratioOf(ratioMetric, c), (summary{0.5, 0.5, 0.5, 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := ratioOf(ratioMetric, cells{nginxName: {1}}); got.Rounds != 0 {
		t.Errorf("without Forebay: got %+v, want no ratio", got)
	}
}

func TestVerdict(t *testing.T) {
	idle := metric{unit: percent, equal: target{bound: onValue}}
	files := metric{unit: count, equal: target{bound: onValue, least: 2, aim: 2}}
	tests := []struct {
		name   string
		metric metric
		target target
		value  float64
		peer   float64
		want   string
	}{
		{"aim reached", ratioMetric, ratioMetric.equal, 80, 100, "aim met"},
		{"between", ratioMetric, ratioMetric.equal, 95, 100, "met"},
		{"above", ratioMetric, ratioMetric.equal, 96, 100, "not met"},
		{"the other target", ratioMetric, ratioMetric.defaults, 80, 100, "not met"},
		{"no target", ratioMetric, target{}, 80, 100, ""},
		{"two descriptors", files, files.equal, 2.001, 2, "aim met"},
		{"three descriptors", files, files.equal, 3, 2, "not met"},
		{"no CPU", idle, idle.equal, 0, 0, "aim met"},
		{"one wake-up is none", idle, idle.equal, 0.00005, 0, "aim met"},
		{"a thousandth is some", idle, idle.equal, 0.001, 0, "not met"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := cells{forebayName: {test.value}, nginxName: {test.peer}, haproxyName: {test.peer}}
			if got := test.target.verdict(test.metric, c, ratioOf(test.metric, c)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	r := &report{programs: []*program{{name: forebayName}, {name: nginxName}}}
	for round, us := range []float64{12, 10, 11} {
		r.add(1, r.programs[0], round, values{exchangeCPU: us / 1e6})
		r.add(1, r.programs[1], round, values{exchangeCPU: us * 2 / 1e6})
	}
	if got := tableOf(r, 0, plainMetrics()); got != nil {
		t.Errorf("of nothing: got %q, want no table", got)
	}
	r.add(0, r.programs[0], 0, values{exchangeCPU: 1}) // belongs to the other table
	got := strings.Join(tableOf(r, 1, plainMetrics()), "\n")
	want := strings.Join([]string{
		"|                                           | forebay          | nginx            | Forebay to the better peer | at least | aim    |         |",
		"| ----------------------------------------- | ---------------- | ---------------- | -------------------------- | -------- | ------ | ------- |",
		"| CPU per exchange, 64 kept connections, µs | 11.0 (10.0–12.0) | 22.0 (20.0–24.0) | 0.50 (0.50–0.50)           | ≤ 0.95   | ≤ 0.80 | aim met |",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTLSHasTablesOfItsOwn(t *testing.T) {
	r := &report{programs: []*program{{name: forebayName}}, plan: plan{Threads: []threads{1, 0}}}
	r.add(0, r.programs[0], 0, values{exchangeCPU: 1})
	r.add(1, r.programs[0], 0, values{exchangeCPU: 1, tlsHandshakeCPU: 1, tlsIdleMemory: 9 << 10})
	var b strings.Builder
	r.writeTables(&b)
	var got []string
	for _, line := range strings.Split(b.String(), "\n") {
		if strings.HasPrefix(line, "## ") || strings.HasPrefix(line, "TLS ") {
			got = append(got, line)
		}
	}
	want := []string{
		"## One thread each", "## Each program's default", "## TLS: one thread each",
		"TLS 1.3, key exchange X25519, TLS_AES_128_GCM_SHA256, an ECDSA P-256 certificate: the load makes sure of it on each connection.",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !strings.Contains(b.String(), "| 9.00      | –                          | ≤ 10     | ≤ 8    | met |") {
		t.Errorf("got\n%s\nwant 9 KiB of 10 met", &b)
	}
}
