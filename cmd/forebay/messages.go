package main

import (
	"bytes"
	"context"
	"log/slog"

	"forebay/l4/accesslog"
)

// How many bytes of a text that may come from others, and of a stack, a message contains.
const (
	mostSaid  = 2 << 10
	mostStack = 32 << 10
)

// messages writes the messages about the process. It uses accesslog.Lines: where nobody reads standard error, neither
// an event loop nor a signal may wait for it. Who made it closes it.
type messages struct {
	*accesslog.Lines
	regular bool // they go to a regular file, which never stops taking them
}

// newMessages returns messages to the standard error of e.
func newMessages(e *env) *messages {
	lost := func(b []byte, n uint64) []byte {
		var text bytes.Buffer
		e.saying(&text).logger().Warn("messages were lost, for want of a reader or of room on the disk", "messages", n)
		return append(b, text.Bytes()...)
	}
	return &messages{Lines: accesslog.NewLines(e.stderr, accesslog.LinesOptions{Lost: lost}),
		regular: e.stderrIs == toRegularFile}
}

// Write takes one message, and never fails or waits: without room the message is lost, and counted.
func (m *messages) Write(text []byte) (int, error) {
	m.Lines.Write(accesslog.AppendVisible(nil, text))
	return len(text), nil
}

// patience is called before a message that can wait. If the messages go to a regular file, it waits until the earlier
// ones are written.
func (m *messages) patience(ctx context.Context) {
	if m.regular {
		m.Lines.Wait(ctx)
	}
}

// close returns when all messages are written, or the reader has taken too long.
func (m *messages) close() {
	m.Lines.Close() // its error is dropped: who does not read the messages would not read that one
}

// logger returns the logger for messages about the process.
func (e *env) logger() *slog.Logger {
	options := &slog.HandlerOptions{ReplaceAttr: asInAccessLog}
	if e.stderrIs == toTerminal {
		return slog.New(slog.NewTextHandler(e.stderr, options))
	}
	return slog.New(slog.NewJSONHandler(e.stderr, options))
}

// asInAccessLog gives messages the time format of the access log, since both may be in one stream: UTC, in
// microseconds. It also bounds texts, as the access log does: messages may contain what a server answered to a check,
// or a name server to a query.
func asInAccessLog(groups []string, a slog.Attr) slog.Attr {
	most := mostSaid
	switch {
	case len(groups) == 0 && a.Key == slog.TimeKey:
		a.Value = slog.StringValue(a.Value.Time().UTC().Format("2006-01-02T15:04:05.000000Z"))
	case a.Key == "stack":
		most = mostStack
	}
	if err, ok := a.Value.Any().(error); ok {
		a.Value = slog.StringValue(err.Error())
	}
	if a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(accesslog.Clip(a.Value.String(), most))
	}
	return a
}
