package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// A bench is one run: the backends, the loads and what has been measured. One measurement is done at a time; the
// programs take turns at each step, so that whatever else the machine does meets all of them.
type bench struct {
	plan     plan
	programs []*program
	progress *progress
	load     *agent // exchanges and sessions
	bulk     *agent // streams
	servers  *process
	backends []string
	files    int
	dir      string    // of the identity's files
	identity *identity // that the programs end TLS with
	rates    rates
	report   *report
}

// rates are how many exchanges, connections and bytes of bulk per second the paced steps ask for.
type rates struct{ exchange, conn, bulk float64 }

// A sample is one measured number.
type sample struct {
	Threads threads
	Program string
	Metric  metricID
	Round   int
	Value   float64 // in seconds, bytes, or a plain number
}

// startBench starts the backends and the loads. The caller stops it.
func startBench(p plan, programs []*program, files int, progress *progress) (*bench, error) {
	b := &bench{plan: p, programs: programs, progress: progress, files: files, report: newReport(p, programs, files)}
	var err error
	if b.dir, err = os.MkdirTemp("", "forebay-bench-"); err != nil {
		return nil, err
	}
	if b.identity, err = newIdentity(b.dir); err == nil {
		b.servers, b.backends, err = startBackends()
	}
	if err != nil {
		os.RemoveAll(b.dir)
		return nil, err
	}
	if b.load, err = startAgent(1); err == nil {
		b.bulk, err = startAgent(0)
	}
	if err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

// startBackends starts the process behind the proxies and returns where it listens.
func startBackends() (*process, []string, error) {
	cmd, err := self(backendCommand)
	if err != nil {
		return nil, nil, err
	}
	// The backends end when their stdin does: they do not outlive this process, however it ends.
	if _, err = cmd.StdinPipe(); err != nil {
		return nil, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	p, err := startProcess("the backends", cmd)
	if err != nil {
		return nil, nil, err
	}
	var addrs []string
	if err := json.NewDecoder(io.LimitReader(stdout, 4096)).Decode(&addrs); err != nil {
		p.stop()
		return nil, nil, fmt.Errorf("learn where the backends listen: %w: %s", err, p.stderr)
	}
	return p, addrs, nil
}

func (b *bench) stop() {
	for _, a := range []*agent{b.load, b.bulk} {
		if a != nil {
			a.stop()
		}
	}
	b.servers.stop()
	os.RemoveAll(b.dir)
}

// run measures the whole plan, one number of threads after the other.
func (b *bench) run(ctx context.Context) error {
	for _, t := range b.plan.Threads {
		if err := b.runWith(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) runWith(ctx context.Context, t threads) error {
	proxies, err := b.startAll(ctx, t)
	defer func() {
		for _, p := range proxies {
			p.stop()
		}
	}()
	if err != nil {
		return err
	}
	if err := b.calibrate(ctx, t, proxies); err != nil {
		return err
	}
	for round := range max(b.plan.Rounds, b.plan.Briefs, b.plan.Closes) {
		for _, s := range b.plan.steps() {
			if round >= b.plan.rounds(s) {
				continue
			}
			if err := b.turn(ctx, t, round, s, proxies); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) startAll(ctx context.Context, t threads) ([]*proxy, error) {
	var proxies []*proxy
	for _, program := range b.programs {
		p, err := startProxy(ctx, program, b.setup(t, b.files))
		if err != nil {
			return proxies, err
		}
		proxies = append(proxies, p)
		if err := b.startOthers(ctx, t, p); err != nil {
			return proxies, err
		}
	}
	return proxies, nil
}

// startOthers starts what stands in for p in some steps.
func (b *bench) startOthers(ctx context.Context, t threads, p *proxy) (err error) {
	if p.program.streams != nil {
		p.streams, err = startProxy(ctx, p.program.streams, b.setup(t, b.files))
	}
	if err == nil && b.plan.speaksTLS() {
		p.tls, err = startProxy(ctx, p.program, b.tlsSetup(t, b.files))
	}
	return err
}

func (b *bench) setup(t threads, files int) setup {
	return setup{backends: b.backends, threads: t, descriptors: min(files, b.files)}
}

func (b *bench) tlsSetup(t threads, files int) setup {
	s := b.setup(t, files)
	s.identity = b.identity
	return s
}

// calibrate finds the rates of the paced steps: half of what the slowest program can do, the same for all.
func (b *bench) calibrate(ctx context.Context, t threads, proxies []*proxy) error {
	paced := func(s step) bool { return strings.Contains(s.name, "paced") }
	if !slices.ContainsFunc(b.plan.steps(), paced) {
		return nil
	}
	quarter := *b
	quarter.plan.Exchanges /= 4
	quarter.plan.Connections /= 4
	quarter.plan.Blocks /= 4
	b.rates = rates{}
	for _, p := range proxies {
		b.progress.say("threads %s: finding half load: %s", t, p.program.name)
		exchange, err := measureExchange(ctx, &quarter, p)
		if err != nil {
			return fmt.Errorf("%s: exchange: %w", p.program.name, err)
		}
		conn, err := measureConn(ctx, &quarter, p)
		if err != nil {
			return fmt.Errorf("%s: conn: %w", p.program.name, err)
		}
		bulk, err := measureBulk(ctx, &quarter, p)
		if err != nil {
			return fmt.Errorf("%s: bulk: %w", p.program.name, err)
		}
		b.rates.lower(rates{exchange[exchangeSpeed] / 2, conn[connSpeed] / 2, bulk[bulkSpeed] / 2})
	}
	b.report.rates[t] = b.rates
	return nil
}

// lower makes each rate the lesser of r's and s's; the zero rate is none yet.
func (r *rates) lower(s rates) {
	if *r == (rates{}) {
		*r = s
		return
	}
	r.exchange, r.conn, r.bulk = min(r.exchange, s.exchange), min(r.conn, s.conn), min(r.bulk, s.bulk)
}

// turn does s with every program. Each round begins with another program.
func (b *bench) turn(ctx context.Context, t threads, round int, s step, proxies []*proxy) error {
	for i := range proxies {
		p := proxies[(i+round)%len(proxies)]
		b.progress.next("threads %s, round %d of %d, %s: %s", t, round+1, b.plan.rounds(s), s.name, p.program.name)
		v, err := b.measure(ctx, t, s, p)
		if spoiled, ok := errors.AsType[*failure](err); ok {
			b.report.fail(t, s, p.program, round, spoiled)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", p.program.name, s.name, err)
		}
		b.report.add(t, p.program, round, v)
	}
	return nil
}

func (b *bench) measure(ctx context.Context, t threads, s step, p *proxy) (values, error) {
	setup := b.setup(t, s.files)
	switch {
	case s.tls:
		p, setup = p.tls, b.tlsSetup(t, s.files)
	case s.streams && p.streams != nil:
		p = p.streams
	}
	if !s.alone {
		return s.measure(ctx, b, p)
	}
	own, err := startProxy(ctx, p.program, setup)
	if err != nil {
		return nil, err
	}
	defer own.stop()
	return s.measure(ctx, b, own)
}
