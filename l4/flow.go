package l4

import "bytes"

// A flow is one direction of a session: what was read from its source and where it has got to.
type flow struct {
	held     []byte // read from the source and not yet taken by the sink; nil nearly always
	pipe     *pipe  // borrowed while the flow is bulk and its bytes move by splice
	header   int32  // how many bytes at the head of held are a PROXY header
	holding  holding
	full     uint8  // consecutive reads that filled the buffer
	ended    bool   // the source's FIN has been read
	finished bool   // ended, and everything has been handed to the sink's kernel
	read     uint64 // bytes taken from the source
	written  uint64 // bytes that the sink's kernel took, a PROXY header not counted
}

// A holding says what the bytes held by a flow are.
type holding uint8

const (
	copied holding = iota
	lent           // bytes that stand in the loop's buffer until the end of the step
	urgent         // one byte of urgent data
)

// waiting reports whether bytes wait for the sink.
func (f *flow) waiting() bool { return len(f.held) > 0 || f.pipe != nil && f.pipe.held > 0 }

// keep remembers bytes that the sink did not take.
func (f *flow) keep(p []byte) { f.held = append(f.held, p...) }

// own copies bytes that stand in the loop's buffer, so that they outlast the step.
func (f *flow) own() {
	if f.holding == lent {
		f.held, f.holding = bytes.Clone(f.held), copied
	}
}

// took notes that the sink's kernel took n bytes.
func (f *flow) took(n int) {
	h := min(int(f.header), n)
	f.header -= int32(h)
	f.written += uint64(n - h)
}

// drop forgets the bytes that wait: their sink is gone.
func (f *flow) drop(pipes *pipes) {
	f.held, f.holding = nil, copied
	if f.pipe != nil {
		pipes.giveBack(f.pipe)
		f.pipe = nil
	}
}
