package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// tlsPatience is how long a client waits for a connection, or for an answer. Unlike loadStall it is about each of them,
// and 64 share a processor with the program.
const tlsPatience = 10 * time.Second

// A tlsLoad is clients of a program that ends TLS.
type tlsLoad struct {
	clients []*tlsClient
}

// newTLSLoad returns the clients that j asks for, none of them connected. The caller closes it.
func newTLSLoad(j job) *tlsLoad {
	l := &tlsLoad{}
	for range j.Conns {
		c := newTLSClient(j.Addr, j.Certificate)
		if j.Resume {
			c.resume()
		}
		l.clients = append(l.clients, c)
	}
	return l
}

// run has workers call do with the numbers from 0 to below count, and returns how many calls went well. A worker goes
// no further than its first failure: a program that does not answer costs each of them its patience once.
func (l *tlsLoad) run(count, workers int, do func(worker, number int) error) result {
	began := time.Now()
	var next, done atomic.Int64
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for number := next.Add(1) - 1; number < int64(count); number = next.Add(1) - 1 {
				if errs[worker] = do(worker, int(number)); errs[worker] != nil {
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	r := result{Done: int(done.Load()), Held: len(l.open()), Took: time.Since(began)}
	for _, err := range errs {
		if err != nil {
			r.Failed++
			r.LastError = err.Error()
		}
	}
	return r
}

// open returns the clients that have a connection.
func (l *tlsLoad) open() []*tlsClient {
	var open []*tlsClient
	for _, c := range l.clients {
		if c.conn != nil {
			open = append(open, c)
		}
	}
	return open
}

func (l *tlsLoad) close() {
	for _, c := range l.clients {
		c.close()
	}
}

// A tlsExchangeTask is exchanges over TLS, on kept or fresh connections.
type tlsExchangeTask struct {
	*tlsLoad
	count int
	fresh bool
}

func prepareTLSExchange(j job) (task, result, error) {
	if j.Rate > 0 {
		return nil, result{}, errors.New("an exchange over TLS has no rate")
	}
	t := &tlsExchangeTask{newTLSLoad(j), j.Warm, j.Fresh}
	// Each client connects once before any is measured, and has a session to resume then.
	r := t.tlsLoad.run(j.Conns, j.Conns, func(_, client int) error { return t.exchange(client, 0) })
	if r.Failed == 0 {
		r, _ = t.run(nil)
	}
	if r.Failed > 0 {
		t.close()
		return nil, r, fmt.Errorf("warm up: %s", r.LastError)
	}
	t.count = j.Count
	return t, r, nil
}

func (t *tlsExchangeTask) run(<-chan struct{}) (result, error) {
	return t.tlsLoad.run(t.count, len(t.clients), t.exchange), nil
}

func (t *tlsExchangeTask) exchange(client, number int) error {
	c := t.clients[client]
	err := c.exchange(number, tlsPatience)
	if t.fresh {
		c.close()
	}
	return err
}

// A tlsHoldTask is connections that have shaken hands and are kept open. Running it asks once on each of them.
type tlsHoldTask struct{ *tlsLoad }

func prepareTLSHold(j job) (task, result, error) {
	t := &tlsHoldTask{newTLSLoad(j)}
	return t, t.tlsLoad.run(j.Conns, holdWindow, func(_, number int) error { return t.clients[number].open(tlsPatience) }), nil
}

func (t *tlsHoldTask) run(<-chan struct{}) (result, error) {
	held := t.open()
	return t.tlsLoad.run(len(held), holdWindow, func(_, number int) error { return held[number].exchange(number, tlsPatience) }), nil
}
