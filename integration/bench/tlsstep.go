package main

import "context"

// The steps over TLS. They are done against programs that end it with the same certificate, group and suite.

func measureTLSHandshake(ctx context.Context, b *bench, p *proxy) (values, error) {
	r, cpu, err := b.work(ctx, b.load, p, connJob(b.plan.TLS.Handshakes))
	return values{
		tlsHandshakeCPU:   per(cpu, r.Done),
		tlsHandshakeSpeed: float64(r.Done) / r.Took.Seconds(),
	}, err
}

func measureTLSResumed(ctx context.Context, b *bench, p *proxy) (values, error) {
	j := connJob(b.plan.TLS.Handshakes)
	j.Resume = true
	r, cpu, err := b.work(ctx, b.load, p, j)
	return values{
		tlsResumedCPU:   per(cpu, r.Done),
		tlsResumedSpeed: float64(r.Done) / r.Took.Seconds(),
	}, err
}

func measureTLSExchange(ctx context.Context, b *bench, p *proxy) (values, error) {
	r, cpu, err := b.work(ctx, b.load, p, exchangeJob(b.plan.TLS.Exchanges))
	return values{
		tlsExchangeCPU:   per(cpu, r.Done),
		tlsExchangeSpeed: float64(r.Done) / r.Took.Seconds(),
	}, err
}

func measureTLSBulk(ctx context.Context, b *bench, p *proxy) (values, error) {
	r, cpu, err := b.work(ctx, b.bulk, p, bulkJob(b.plan.TLS.Blocks))
	return values{
		tlsBulkCPU:   perGiB(cpu, r.Bytes),
		tlsBulkSpeed: float64(r.Bytes) / r.Took.Seconds(),
	}, err
}

// measureTLSIdle holds sessions, first as the handshake leaves them, then as an exchange does.
func measureTLSIdle(ctx context.Context, b *bench, p *proxy) (values, error) {
	if err := b.warm(ctx, p); err != nil {
		return nil, err
	}
	before, err := p.usage(ctx)
	if err != nil {
		return nil, err
	}
	r, err := b.hold(ctx, p, b.plan.TLS.Sessions)
	if err != nil {
		return nil, err
	}
	fresh, err := p.usage(ctx)
	if err != nil {
		return nil, err
	}
	held, err := b.asked(ctx)
	if err != nil {
		return nil, err
	}
	used, err := p.usage(ctx)
	if err != nil {
		return nil, err
	}
	_, err = b.load.do(ctx, job{Verb: "close"})
	return values{
		tlsStartMemory: float64(before.memory),
		tlsFreshMemory: float64(fresh.memory-before.memory) / float64(r.Held),
		tlsIdleMemory:  float64(used.memory-before.memory) / float64(r.Held),
		tlsIdleHeld:    held / float64(b.plan.TLS.Sessions),
	}, err
}
