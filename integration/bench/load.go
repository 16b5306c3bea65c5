package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"time"
)

// loadStall is how long a load waits for the next finished exchange before it gives up.
const loadStall = 3 * time.Second

// holdStall is the same while sessions are opened to be held: past a program's limit the rest waits for ever.
const holdStall = time.Second

// holdWindow is how many sessions are opened, or asked again, at once.
const holdWindow = 64

// A job is what a load process is told to do, in one line of JSON. The others are started with its own verb, in this
// order: prepare (connect and warm up), start, wait. stop ends a bulk job early, close ends its connections.
type job struct {
	Verb string // "prepare", "start", "stop", "wait" or "close"

	// The rest is read for "prepare".
	Kind string // "exchange", "bulk" or "hold"
	Addr string // of the program under test
	// Certificate is what the program shows, as DER: the job speaks TLS, which every connection is checked for. Nil: it
	// does not.
	Certificate []byte
	Conns       int           // connections at once
	Count       int           // exchanges, or blocks
	Rate        float64       // exchanges per second, or bytes of blocks on all connections together; 0: closed loop
	Fresh       bool          // a new connection for each exchange
	Resume      bool          // over TLS, all connections of a place but its first resume a session
	Size        int64         // bytes of a block
	Warm        int           // exchanges before the work that is measured
	Stall       time.Duration // longest time without progress; 0: a default that suits Kind
}

// A result is the answer to a job's verb.
type result struct {
	Done      int // exchanges or blocks that went well
	Failed    int
	LastError string // why the last failed one did, or why the verb could not be done
	Held      int    // connections that are open and were answered last
	Bytes     int64  // of whole blocks
	Took      time.Duration
	P50, P99  time.Duration // until an answer had arrived, or a block had been read
	Read99    time.Duration // of exchanges, until the load had read the answer
}

// A task is a prepared job.
type task interface {
	run(stop <-chan struct{}) (result, error)
	close()
}

// loadMain is the process that asks: it reads jobs from stdin and writes results to stdout until stdin ends.
func loadMain(stdin io.Reader, stdout io.Writer) error {
	l := &loader{}
	defer l.close()
	jobs, results := json.NewDecoder(stdin), json.NewEncoder(stdout)
	for {
		var j job
		if err := jobs.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a job: %w", err)
		}
		r, err := l.do(j)
		if err != nil {
			r.Failed, r.LastError = max(r.Failed, 1), err.Error()
		}
		if err := results.Encode(r); err != nil {
			return fmt.Errorf("write a result: %w", err)
		}
	}
}

// A loader does one job at a time.
type loader struct {
	task task
	stop chan struct{}
	done chan outcome
}

type outcome struct {
	result result
	err    error
}

func (l *loader) do(j job) (result, error) {
	switch j.Verb {
	case "prepare":
		l.close()
		t, r, err := prepare(j)
		l.task = t
		return r, err
	case "start":
		return result{}, l.start()
	case "stop":
		close(l.stop)
		return result{}, nil
	case "wait":
		o := <-l.done
		return o.result, o.err
	case "close":
		l.close()
		return result{}, nil
	}
	return result{}, fmt.Errorf("verb %q: want prepare, start, stop, wait or close", j.Verb)
}

func (l *loader) start() error {
	if l.task == nil {
		return errors.New("start: nothing is prepared")
	}
	l.stop, l.done = make(chan struct{}), make(chan outcome, 1)
	go func(t task, stop <-chan struct{}, done chan<- outcome) {
		r, err := t.run(stop)
		done <- outcome{r, err}
	}(l.task, l.stop, l.done)
	return nil
}

func (l *loader) close() {
	if l.task != nil {
		l.task.close()
	}
	l.task = nil
}

// prepare returns the task that j asks for, connected and warm. The result tells what a hold job holds.
func prepare(j job) (task, result, error) {
	switch j.Kind {
	case "exchange":
		if j.Certificate != nil {
			return prepareTLSExchange(j)
		}
		return prepareExchange(j)
	case "hold":
		if j.Certificate != nil {
			return prepareTLSHold(j)
		}
		return prepareHold(j)
	case "bulk":
		return prepareBulk(j)
	}
	return nil, result{}, fmt.Errorf("kind %q: want exchange, bulk or hold", j.Kind)
}

// An exchangeTask is exchanges over kept or fresh connections.
type exchangeTask struct {
	engine *engine
	work   workload
}

func prepareExchange(j job) (task, result, error) {
	addr, err := netip.ParseAddrPort(j.Addr)
	if err != nil {
		return nil, result{}, err
	}
	e, err := newEngine(addr, j.Conns)
	if err != nil {
		return nil, result{}, err
	}
	r, err := e.run(workload{Count: j.Warm, Fresh: j.Fresh, Stall: loadStall})
	if err != nil {
		e.close()
		return nil, r, fmt.Errorf("warm up: %w", err)
	}
	return &exchangeTask{e, workload{Count: j.Count, Rate: j.Rate, Fresh: j.Fresh, Stall: loadStall}}, r, nil
}

func (t *exchangeTask) run(<-chan struct{}) (result, error) { return t.engine.run(t.work) }
func (t *exchangeTask) close()                              { t.engine.close() }

// A holdTask is connections that have been answered once and are kept open. Running it asks on each of them again.
type holdTask struct{ exchangeTask }

func prepareHold(j job) (task, result, error) {
	addr, err := netip.ParseAddrPort(j.Addr)
	if err != nil {
		return nil, result{}, err
	}
	e, err := newEngine(addr, j.Conns)
	if err != nil {
		return nil, result{}, err
	}
	w := workload{Count: j.Conns, Once: true, Window: holdWindow, Stall: holdStall}
	r, err := e.run(w)
	if err != nil && !errors.Is(err, errStalled) {
		e.close()
		return nil, r, err
	}
	e.dropBusy()
	r.Held = e.held()
	return &holdTask{exchangeTask{engine: e, work: w}}, r, nil
}

// run asks on every held connection. Held in the result is how many of them answered.
func (t *holdTask) run(<-chan struct{}) (result, error) {
	e, w := t.engine, t.work
	w.Count, w.Held = e.held(), true
	if w.Count == 0 {
		return result{}, nil
	}
	r, err := e.run(w)
	e.dropBusy()
	r.Held = e.held()
	if errors.Is(err, errStalled) {
		err = nil
	}
	return r, err
}

// A bulkTask is blocks over kept connections.
type bulkTask struct {
	*bulkLoad
	count int // 0: until stopped
}

func prepareBulk(j job) (task, result, error) {
	dial := func() (net.Conn, error) { return net.Dial("tcp", j.Addr) }
	if j.Certificate != nil {
		c := newTLSClient(j.Addr, j.Certificate)
		dial = func() (net.Conn, error) { return c.dial(tlsPatience) }
	}
	b, err := newBulkLoad(dial, j.Conns, j.Size, j.Rate)
	if err != nil {
		return nil, result{}, err
	}
	return &bulkTask{bulkLoad: b, count: j.Count}, result{}, nil
}

func (t *bulkTask) run(stop <-chan struct{}) (result, error) {
	count := t.count
	if count == 0 {
		count = math.MaxInt
	}
	return t.bulkLoad.run(count, stop), nil
}
