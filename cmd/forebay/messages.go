package main

import (
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	messagesWaiting = 1024            // more are lost
	messagesTimeout = 2 * time.Second // how long a reader that does not read holds up the end of the process
)

// Messages writes what is said about the process on a goroutine of its own: where nobody reads standard error, neither an event loop nor a signal
// may wait for it. Who made it closes it.
type messages struct {
	to      io.Writer
	logger  *slog.Logger // writes to the same, and tells of what was lost
	waiting chan []byte
	lost    atomic.Uint64
	closing chan struct{}
	done    chan struct{}
}

func newMessages(to io.Writer, logger *slog.Logger) *messages {
	m := &messages{to: to, logger: logger, waiting: make(chan []byte, messagesWaiting), closing: make(chan struct{}), done: make(chan struct{})}
	go m.run()
	return m
}

// Write takes one message, and never fails or waits: without room the message is lost.
func (m *messages) Write(text []byte) (int, error) {
	select {
	case m.waiting <- append([]byte(nil), text...):
	default:
		m.lost.Add(1)
	}
	return len(text), nil
}

func (m *messages) run() {
	defer close(m.done)
	for {
		select {
		case text := <-m.waiting:
			m.write(text)
		case <-m.closing:
			m.flush()
			return
		}
	}
}

func (m *messages) write(text []byte) {
	m.to.Write(text)
	if n := m.lost.Swap(0); n > 0 {
		m.logger.Warn("messages were lost, as nobody read them", "messages", n)
	}
}

// flush writes what waits.
func (m *messages) flush() {
	for {
		select {
		case text := <-m.waiting:
			m.write(text)
		default:
			return
		}
	}
}

// close returns when everything is written, or when the reader has taken too long.
func (m *messages) close() {
	close(m.closing)
	select {
	case <-m.done:
	case <-time.After(messagesTimeout):
	}
}
