package main

import (
	"context"
	"fmt"
	"time"
)

// A step measures one proxy once.
type step struct {
	name    string
	alone   bool // in a process started for it, and fewer rounds
	brief   bool // it lasts a second and differs most between rounds, so there are more
	close   bool // and the programs are so close to each other that it takes more still
	files   int  // descriptor limit of that process
	streams bool // against what stands in for the program when it is to carry streams
	tls     bool // against the program as it ends TLS
	measure func(context.Context, *bench, *proxy) (values, error)
}

// values are numbers by metric, in seconds, bytes or just numbers.
type values map[metricID]float64

// allSteps returns the steps in the order they are done in.
func allSteps() []step {
	return []step{
		{name: "exchange", brief: true, measure: measureExchange},
		{name: "conn", close: true, measure: measureConn},
		{name: "bulk", streams: true, measure: measureBulk},
		{name: "paced-exchange", close: true, measure: measurePacedExchange},
		{name: "paced-conn", measure: measurePacedConn},
		{name: "beside-paced-bulk", brief: true, measure: measureBesidePacedBulk},
		{name: "beside-bulk", brief: true, measure: measureBesideBulk},
		{name: "idle", alone: true, files: mostFiles, measure: measureIdle},
		{name: "limit", alone: true, files: limitedFiles, measure: measureLimit},
		{name: "tls-handshake", tls: true, measure: measureTLSHandshake},
		{name: "tls-resumed", tls: true, measure: measureTLSResumed},
		{name: "tls-exchange", brief: true, tls: true, measure: measureTLSExchange},
		{name: "tls-bulk", tls: true, measure: measureTLSBulk},
		{name: "tls-idle", tls: true, alone: true, files: mostFiles, measure: measureTLSIdle},
	}
}

func stepNames() []string {
	var names []string
	for _, s := range allSteps() {
		names = append(names, s.name)
	}
	return names
}

func measureExchange(ctx context.Context, b *bench, p *proxy) (values, error) {
	r, cpu, err := b.work(ctx, b.load, p, exchangeJob(b.plan.Exchanges))
	return values{
		exchangeCPU:   per(cpu, r.Done),
		exchangeP50:   r.P50.Seconds(),
		exchangeP99:   r.P99.Seconds(),
		exchangeSpeed: float64(r.Done) / r.Took.Seconds(),
	}, err
}

func measureConn(ctx context.Context, b *bench, p *proxy) (values, error) {
	r, cpu, err := b.work(ctx, b.load, p, connJob(b.plan.Connections))
	return values{
		connCPU:   per(cpu, r.Done),
		connP50:   r.P50.Seconds(),
		connP99:   r.P99.Seconds(),
		connSpeed: float64(r.Done) / r.Took.Seconds(),
	}, err
}

func measureBulk(ctx context.Context, b *bench, p *proxy) (values, error) {
	r, cpu, err := b.work(ctx, b.bulk, p, bulkJob(b.plan.Blocks))
	return values{
		bulkCPU:   perGiB(cpu, r.Bytes),
		bulkP50:   r.P50.Seconds(),
		bulkP99:   r.P99.Seconds(),
		bulkSpeed: float64(r.Bytes) / r.Took.Seconds(),
	}, err
}

func measurePacedExchange(ctx context.Context, b *bench, p *proxy) (values, error) {
	r, cpu, err := b.work(ctx, b.load, p, paced(exchangeJob(0), b.rates.exchange, b.plan.Paced))
	return values{
		pacedExchangeCPU: per(cpu, r.Done),
		pacedExchangeP50: r.P50.Seconds(),
		pacedExchangeP99: r.P99.Seconds(),
		pacedExchangeR99: r.Read99.Seconds(),
	}, err
}

func measurePacedConn(ctx context.Context, b *bench, p *proxy) (values, error) {
	r, cpu, err := b.work(ctx, b.load, p, paced(connJob(0), b.rates.conn, b.plan.Paced))
	return values{
		pacedConnCPU: per(cpu, r.Done),
		pacedConnP50: r.P50.Seconds(),
		pacedConnP99: r.P99.Seconds(),
	}, err
}

// measureBesidePacedBulk paces few small exchanges while four streams take half of what the slowest program can carry.
func measureBesidePacedBulk(ctx context.Context, b *bench, p *proxy) (values, error) {
	r, speed, err := b.beside(ctx, p, b.rates.bulk)
	return values{
		besidePacedP50:   r.P50.Seconds(),
		besidePacedP99:   r.P99.Seconds(),
		besidePacedR99:   r.Read99.Seconds(),
		besidePacedSpeed: speed,
	}, err
}

// measureBesideBulk paces few small exchanges while four streams take all the bandwidth they get.
func measureBesideBulk(ctx context.Context, b *bench, p *proxy) (values, error) {
	r, speed, err := b.beside(ctx, p, 0)
	return values{
		besideP50:   r.P50.Seconds(),
		besideP99:   r.P99.Seconds(),
		besideR99:   r.Read99.Seconds(),
		besideSpeed: speed,
	}, err
}

// beside paces few small exchanges while four streams take rate bytes per second, or all they get if that is 0. It
// returns how the exchanges went and how much the streams got, in bytes per second.
func (b *bench) beside(ctx context.Context, p *proxy, rate float64) (r result, speed float64, err error) {
	stream := bulkJob(0)
	stream.Rate = rate
	if _, err := b.bulk.must(ctx, p.job(stream)); err != nil {
		return r, 0, err
	}
	defer b.bulk.do(ctx, job{Verb: "close"})
	if _, err := b.bulk.must(ctx, job{Verb: "start"}); err != nil {
		return r, 0, err
	}
	r, _, err = b.work(ctx, b.load, p, paced(exchangeJob(0), besideRate, b.plan.Beside))
	if _, err := b.bulk.must(ctx, job{Verb: "stop"}); err != nil {
		return r, 0, err
	}
	bulk, failed := b.bulk.must(ctx, job{Verb: "wait"})
	if err == nil {
		err = failed
	}
	return r, float64(bulk.Bytes) / bulk.Took.Seconds(), err
}

// measureIdle holds sessions that have been answered once: what each costs in memory and files, and what many cost in
// time.
func measureIdle(ctx context.Context, b *bench, p *proxy) (values, error) {
	if err := b.warm(ctx, p); err != nil {
		return nil, err
	}
	before, err := p.usage(ctx)
	if err != nil {
		return nil, err
	}
	r, err := b.hold(ctx, p, memorySessions)
	if err != nil {
		return nil, err
	}
	after, err := p.usage(ctx)
	if err != nil {
		return nil, err
	}
	v := values{
		startMemory: float64(before.memory),
		idleMemory:  float64(after.memory-before.memory) / float64(r.Held),
		idleFiles:   float64(after.files-before.files) / float64(r.Held),
	}
	if _, err := b.hold(ctx, p, idleSessions); err != nil {
		return v, err
	}
	select {
	case <-time.After(b.plan.IdleAge):
	case <-ctx.Done():
		return v, ctx.Err()
	}
	if v[idleCPU], err = p.idleShare(ctx, b.plan.IdleFor); err != nil {
		return v, err
	}
	v[idleHeld], err = b.answered(ctx)
	return v, err
}

// measureLimit counts the sessions that a program can hold, all of which must still be answered.
func measureLimit(ctx context.Context, b *bench, p *proxy) (values, error) {
	if _, err := b.hold(ctx, p, limitedFiles); err != nil {
		return nil, err
	}
	n, err := b.answered(ctx)
	return values{limitHeld: n}, err
}

func exchangeJob(count int) job {
	return job{Kind: "exchange", Conns: loadConns, Count: count, Warm: 20 * loadConns}
}

func connJob(count int) job {
	return job{Kind: "exchange", Conns: loadConns, Count: count, Warm: 4 * loadConns, Fresh: true}
}

// bulkJob fetches count blocks, or until stopped if that is 0.
func bulkJob(count int) job {
	return job{Kind: "bulk", Conns: bulkStreams, Count: count, Size: blockSize}
}

// paced makes j last for d at rate.
func paced(j job, rate float64, d time.Duration) job {
	j.Rate, j.Count = rate, max(1, int(rate*d.Seconds()))
	return j
}

// per returns the seconds of cpu that each of n took.
func per(cpu time.Duration, n int) float64 { return cpu.Seconds() / float64(n) }

// perGiB returns the seconds of cpu that each GiB of bytes took.
func perGiB(cpu time.Duration, bytes int64) float64 {
	return cpu.Seconds() / (float64(bytes) / (1 << 30))
}

// work does j against p and returns the CPU time that it cost p, connecting and warming up not included.
func (b *bench) work(ctx context.Context, a *agent, p *proxy, j job) (result, time.Duration, error) {
	if _, err := a.must(ctx, p.job(j)); err != nil {
		return result{}, 0, err
	}
	before, err := p.settled(ctx)
	if err != nil {
		return result{}, 0, err
	}
	if _, err := a.must(ctx, job{Verb: "start"}); err != nil {
		return result{}, 0, err
	}
	r, err := a.must(ctx, job{Verb: "wait"})
	if err != nil {
		return r, 0, err
	}
	after, err := p.settled(ctx)
	if err != nil {
		return r, 0, err
	}
	_, err = a.do(ctx, job{Verb: "close"})
	return r, after - before, err
}

// warm brings p to the state that it has after some work.
func (b *bench) warm(ctx context.Context, p *proxy) error {
	if _, err := b.load.must(ctx, p.job(connJob(1))); err != nil {
		return err
	}
	_, err := b.load.do(ctx, job{Verb: "close"})
	return err
}

// hold opens n sessions through p, or as many as p can, and keeps them.
func (b *bench) hold(ctx context.Context, p *proxy, n int) (result, error) {
	r, err := b.load.do(ctx, p.job(job{Kind: "hold", Conns: n}))
	if err == nil && r.Held == 0 {
		err = &failure{fmt.Sprintf("no session could be held: %s", r.LastError)}
	}
	return r, err
}

// answered asks on all held sessions, returns how many answered, and closes them.
func (b *bench) answered(ctx context.Context) (float64, error) {
	n, err := b.asked(ctx)
	if err != nil {
		return 0, err
	}
	_, err = b.load.do(ctx, job{Verb: "close"})
	return n, err
}

// asked asks on all held sessions and returns how many answered.
func (b *bench) asked(ctx context.Context) (float64, error) {
	if _, err := b.load.must(ctx, job{Verb: "start"}); err != nil {
		return 0, err
	}
	r, err := b.load.do(ctx, job{Verb: "wait"})
	return float64(r.Held), err
}
