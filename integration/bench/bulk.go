package main

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	bulkRead = 256 << 10
	// transferLimit bounds one transfer, so that a program that loses bytes cannot stop the run.
	transferLimit = 20 * time.Second
)

// A bulkLoad fetches blocks of Size bytes over several connections at once.
type bulkLoad struct {
	size  int64
	rate  float64 // bytes per second on each connection; 0: as fast as they come
	conns []net.Conn
	left  atomic.Int64
}

// newBulkLoad calls dial streams times and fetches one block on each connection. From then on all together read rate
// bytes per second, without limit where that is 0. The caller closes it.
func newBulkLoad(dial func() (net.Conn, error), streams int, size int64, rate float64) (*bulkLoad, error) {
	b := &bulkLoad{size: size}
	for range streams {
		conn, err := dial()
		if err != nil {
			b.close()
			return nil, err
		}
		b.conns = append(b.conns, conn)
	}
	if r := b.run(streams, nil); r.Failed > 0 {
		b.close()
		return nil, fmt.Errorf("fetch the first blocks: %s", r.LastError)
	}
	b.rate = rate / float64(streams)
	return b, nil
}

// run fetches count blocks, or fewer if stop is closed before, and returns the time that they took each.
func (b *bulkLoad) run(count int, stop <-chan struct{}) result {
	b.left.Store(int64(count))
	began := time.Now()
	samples := make([][]time.Duration, len(b.conns))
	errs := make([]error, len(b.conns))
	var wg sync.WaitGroup
	for i, conn := range b.conns {
		wg.Go(func() { samples[i], errs[i] = b.fetchAll(conn, stop) })
	}
	wg.Wait()
	return b.result(began, slices.Concat(samples...), errs)
}

func (b *bulkLoad) result(began time.Time, samples []time.Duration, errs []error) result {
	r := result{
		Done:  len(samples),
		Bytes: int64(len(samples)) * b.size,
		Took:  time.Since(began),
		P50:   quantile(samples, 0.50),
		P99:   quantile(samples, 0.99),
	}
	for _, err := range errs {
		if err != nil {
			r.Failed++
			r.LastError = err.Error()
		}
	}
	return r
}

// fetchAll fetches blocks on conn while there are any left to fetch.
func (b *bulkLoad) fetchAll(conn net.Conn, stop <-chan struct{}) ([]time.Duration, error) {
	var samples []time.Duration
	buffer := make([]byte, bulkRead)
	for b.left.Add(-1) >= 0 && !closed(stop) {
		began := time.Now()
		if err := b.fetch(conn, buffer); err != nil {
			return samples, err
		}
		samples = append(samples, time.Since(began))
	}
	return samples, nil
}

func (b *bulkLoad) fetch(conn net.Conn, buffer []byte) error {
	conn.SetDeadline(time.Now().Add(transferLimit))
	var request [requestSize]byte
	putRequest(request[:], bulkKind, uint64(b.size))
	if _, err := conn.Write(request[:]); err != nil {
		return err
	}
	began := time.Now()
	for left := b.size; left > 0; {
		if b.rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(b.size-left) / b.rate * float64(time.Second)))))
		}
		n, err := conn.Read(buffer[:min(left, int64(len(buffer)))])
		left -= int64(n)
		if err == io.EOF {
			return fmt.Errorf("the stream ended %d bytes short of %d", left, b.size)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bulkLoad) close() {
	for _, conn := range b.conns {
		conn.Close()
	}
}

// closed reports whether c is closed. A nil channel never is.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
