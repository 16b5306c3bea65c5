package main

import "slices"

// A metricID names one number that is measured.
type metricID string

const (
	exchangeCPU      metricID = "exchange-cpu"
	exchangeP50      metricID = "exchange-p50"
	exchangeP99      metricID = "exchange-p99"
	exchangeSpeed    metricID = "exchange-speed"
	connCPU          metricID = "conn-cpu"
	connP50          metricID = "conn-p50"
	connP99          metricID = "conn-p99"
	connSpeed        metricID = "conn-speed"
	bulkCPU          metricID = "bulk-cpu"
	bulkP50          metricID = "bulk-p50"
	bulkP99          metricID = "bulk-p99"
	bulkSpeed        metricID = "bulk-speed"
	pacedExchangeCPU metricID = "paced-exchange-cpu"
	pacedExchangeP50 metricID = "paced-exchange-p50"
	pacedExchangeP99 metricID = "paced-exchange-p99"
	pacedExchangeR99 metricID = "paced-exchange-read-p99"
	pacedConnCPU     metricID = "paced-conn-cpu"
	pacedConnP50     metricID = "paced-conn-p50"
	pacedConnP99     metricID = "paced-conn-p99"
	besidePacedP50   metricID = "beside-paced-bulk-p50"
	besidePacedP99   metricID = "beside-paced-bulk-p99"
	besidePacedR99   metricID = "beside-paced-bulk-read-p99"
	besidePacedSpeed metricID = "beside-paced-bulk-speed"
	besideP50        metricID = "beside-bulk-p50"
	besideP99        metricID = "beside-bulk-p99"
	besideR99        metricID = "beside-bulk-read-p99"
	besideSpeed      metricID = "beside-bulk-speed"
	startMemory      metricID = "start-memory"
	idleMemory       metricID = "idle-memory"
	idleFiles        metricID = "idle-files"
	idleCPU          metricID = "idle-cpu"
	idleHeld         metricID = "idle-held"
	limitHeld        metricID = "limit-held"

	tlsHandshakeCPU   metricID = "tls-handshake-cpu"
	tlsHandshakeSpeed metricID = "tls-handshake-speed"
	tlsResumedCPU     metricID = "tls-resumed-cpu"
	tlsResumedSpeed   metricID = "tls-resumed-speed"
	tlsExchangeCPU    metricID = "tls-exchange-cpu"
	tlsExchangeSpeed  metricID = "tls-exchange-speed"
	tlsBulkCPU        metricID = "tls-bulk-cpu"
	tlsBulkSpeed      metricID = "tls-bulk-speed"
	tlsStartMemory    metricID = "tls-start-memory"
	tlsFreshMemory    metricID = "tls-fresh-memory"
	tlsIdleMemory     metricID = "tls-idle-memory"
	tlsIdleHeld       metricID = "tls-idle-held"
)

// A unit is how a metric's values are shown.
type unit struct {
	name  string
	scale float64 // shown = value × scale
}

var (
	micros  = unit{"µs", 1e6}
	millis  = unit{"ms", 1e3}
	kibs    = unit{"KiB", 1.0 / (1 << 10)}
	mibs    = unit{"MiB", 1.0 / (1 << 20)}
	gibs    = unit{"GiB/s", 1.0 / (1 << 30)}
	percent = unit{"%", 100}
	count   = unit{"", 1}
	rate    = unit{"1/s", 1}
)

// A metric is one row of the tables.
type metric struct {
	id     metricID
	title  string
	unit   unit
	more   bool     // more is better
	rivals []string // whom the ratio is to: the better of these
	// The targets: with equal threads, and with each program's default. The zero value is no target.
	equal, defaults target
}

// A target is what Forebay is to reach in a row.
type target struct {
	bound    bound
	least    float64 // this must be reached
	aim      float64 // this is hoped for
	decimals int
}

// bound says what a target's numbers are limits on.
type bound int

const (
	noTarget bound = iota
	onRatio        // Forebay's value divided by the best rival's
	onValue        // Forebay's value as shown, in the row's unit
)

// allMetrics returns the rows of all tables in their order.
func allMetrics() []metric { return slices.Concat(plainMetrics(), tlsMetrics()) }

// plainMetrics returns the rows of the tables of plain TCP.
func plainMetrics() []metric {
	same := func(t target) (target, target) { return t, t }
	bulkEqual, bulkDefault := same(target{bound: onRatio, least: 0.55, aim: 0.40, decimals: 2})
	tailEqual, tailDefault := same(target{bound: onRatio, least: 1.0, aim: 0.7, decimals: 2})
	perDefault := target{bound: onRatio, least: 0.85, aim: 0.70, decimals: 2}
	memory := target{bound: onValue, least: 1, aim: 0.4, decimals: 1}
	files := target{bound: onValue, least: 2, aim: 2}
	nothing := target{bound: onValue, least: 0, aim: 0}
	return []metric{
		{id: exchangeCPU, title: "CPU per exchange, 64 kept connections", unit: micros, rivals: peerNames,
			equal: target{bound: onRatio, least: 0.95, aim: 0.80, decimals: 2}, defaults: perDefault},
		{id: exchangeP50, title: "– its latency, p50", unit: micros, rivals: peerNames},
		{id: exchangeP99, title: "– its latency, p99", unit: micros, rivals: peerNames},
		{id: exchangeSpeed, title: "– exchanges", unit: rate, more: true, rivals: peerNames},
		{id: connCPU, title: "CPU per connection with one exchange", unit: micros, rivals: peerNames,
			equal: target{bound: onRatio, least: 1.0, aim: 0.85, decimals: 2}, defaults: perDefault},
		{id: connP50, title: "– its latency, p50", unit: micros, rivals: peerNames},
		{id: connP99, title: "– its latency, p99", unit: micros, rivals: peerNames},
		{id: connSpeed, title: "– connections", unit: rate, more: true, rivals: peerNames},
		{id: bulkCPU, title: "CPU per GiB, 4 streams", unit: millis, rivals: []string{haproxyName},
			equal: bulkEqual, defaults: bulkDefault},
		{id: bulkP50, title: "– 32 MiB on one stream, p50", unit: millis, rivals: peerNames},
		{id: bulkP99, title: "– 32 MiB on one stream, p99", unit: millis, rivals: peerNames},
		{id: bulkSpeed, title: "– throughput", unit: gibs, more: true, rivals: peerNames},
		{id: pacedExchangeCPU, title: "CPU per exchange at half load", unit: micros, rivals: peerNames},
		{id: pacedExchangeP50, title: "– its latency, p50", unit: micros, rivals: peerNames},
		{id: pacedExchangeP99, title: "– its latency, p99", unit: micros, rivals: peerNames,
			equal: tailEqual, defaults: tailDefault},
		{id: pacedExchangeR99, title: "– until the load has read it, p99", unit: micros, rivals: peerNames},
		{id: pacedConnCPU, title: "CPU per connection at half load", unit: micros, rivals: peerNames},
		{id: pacedConnP50, title: "– its latency, p50", unit: micros, rivals: peerNames},
		{id: pacedConnP99, title: "– its latency, p99", unit: micros, rivals: peerNames},
		{id: besidePacedP50, title: "Small exchange beside 4 bulk streams at half load, p50", unit: micros, rivals: peerNames},
		{id: besidePacedP99, title: "– p99", unit: micros, rivals: peerNames,
			equal: tailEqual, defaults: tailDefault},
		{id: besidePacedR99, title: "– until the load has read it, p99", unit: micros, rivals: peerNames},
		{id: besidePacedSpeed, title: "– throughput of the streams", unit: gibs, more: true, rivals: peerNames},
		{id: besideP50, title: "Small exchange beside 4 unlimited bulk streams, p50", unit: micros, rivals: peerNames},
		{id: besideP99, title: "– p99", unit: micros, rivals: peerNames,
			equal: tailEqual, defaults: tailDefault},
		{id: besideR99, title: "– until the load has read it, p99", unit: micros, rivals: peerNames},
		{id: besideSpeed, title: "– throughput of the streams", unit: gibs, more: true, rivals: peerNames},
		{id: idleMemory, title: "Memory per idle session", unit: kibs, rivals: peerNames, equal: memory, defaults: memory},
		{id: idleFiles, title: "Descriptors per idle session", unit: count, rivals: peerNames, equal: files, defaults: files},
		{id: startMemory, title: "Memory before, all processes", unit: mibs, rivals: peerNames},
		{id: idleHeld, title: "Sessions held of 9,000 asked for", unit: count, more: true, rivals: peerNames},
		{id: idleCPU, title: "– CPU while they are idle", unit: percent, rivals: peerNames, equal: nothing, defaults: nothing},
		{id: limitHeld, title: "Sessions held with 2,048 descriptors", unit: count, more: true, rivals: peerNames},
	}
}

// tlsMetrics returns the rows of the tables of ended TLS.
func tlsMetrics() []metric {
	handshake := target{bound: onRatio, least: 1.05, aim: 0.90, decimals: 2}
	exchange := target{bound: onRatio, least: 0.80, aim: 0.70, decimals: 2}
	bulk := target{bound: onRatio, least: 1.00, aim: 0.85, decimals: 2}
	memory := target{bound: onValue, least: 10, aim: 8}
	return []metric{
		{id: tlsHandshakeCPU, title: "CPU per full handshake, with one exchange", unit: micros, rivals: peerNames,
			equal: handshake, defaults: handshake},
		{id: tlsHandshakeSpeed, title: "– connections", unit: rate, more: true, rivals: peerNames},
		{id: tlsResumedCPU, title: "CPU per resumed connection, with one exchange", unit: micros, rivals: peerNames,
			equal: handshake, defaults: handshake},
		{id: tlsResumedSpeed, title: "– connections", unit: rate, more: true, rivals: peerNames},
		{id: tlsExchangeCPU, title: "CPU per exchange, 64 kept connections", unit: micros, rivals: peerNames,
			equal: exchange, defaults: exchange},
		{id: tlsExchangeSpeed, title: "– exchanges", unit: rate, more: true, rivals: peerNames},
		{id: tlsBulkCPU, title: "CPU per GiB, 4 streams", unit: millis, rivals: peerNames, equal: bulk, defaults: bulk},
		{id: tlsBulkSpeed, title: "– throughput", unit: gibs, more: true, rivals: peerNames},
		{id: tlsFreshMemory, title: "Memory per idle session after the handshake", unit: kibs, rivals: peerNames,
			equal: memory, defaults: memory},
		{id: tlsIdleMemory, title: "Memory per idle session after an exchange", unit: kibs, rivals: peerNames,
			equal: memory, defaults: memory},
		{id: tlsStartMemory, title: "Memory before, all processes", unit: mibs, rivals: peerNames},
		{id: tlsIdleHeld, title: "Sessions held, of those asked for", unit: percent, more: true, rivals: peerNames},
	}
}
