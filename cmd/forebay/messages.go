package main

import (
	"bytes"
	"context"
	"log/slog"

	"forebay/l4/accesslog"
)

// How much of a text that others may have made a message tells, and how much of a stack.
const (
	mostSaid  = 2 << 10
	mostStack = 32 << 10
)

// Messages is what is said about the process. It is written by accesslog.Lines: where nobody reads standard error,
// neither an event loop nor a signal may wait for it. Who made it closes it.
type messages struct {
	*accesslog.Lines
	regular bool // they go to a file, which takes them sooner or later
}

// newMessages returns messages that go where those of e went.
func newMessages(e *env) *messages {
	lost := func(b []byte, n uint64) []byte {
		var text bytes.Buffer
		e.saying(&text).logger().Warn("messages were lost, for want of a reader or of room on the disk", "messages", n)
		return append(b, text.Bytes()...)
	}
	return &messages{Lines: accesslog.NewLines(e.stderr, accesslog.LinesOptions{Lost: lost}), regular: e.stderrIs == toRegularFile}
}

// Write takes one message, and never fails or waits: without room the message is lost, and counted.
func (m *messages) Write(text []byte) (int, error) {
	m.Lines.Write(accesslog.AppendVisible(nil, text))
	return len(text), nil
}

// patience is called before a message that can wait: where a file is written to, such messages wait until it has taken
// those before.
func (m *messages) patience(ctx context.Context) {
	if m.regular {
		m.Lines.Wait(ctx)
	}
}

// close returns when everything is written, or when the reader has taken too long.
func (m *messages) close() {
	m.Lines.Close() // who does not read them would not read of that
}

// logger returns where messages about the process go.
func (e *env) logger() *slog.Logger {
	options := &slog.HandlerOptions{ReplaceAttr: asInAccessLog}
	if e.stderrIs == toTerminal {
		return slog.New(slog.NewTextHandler(e.stderr, options))
	}
	return slog.New(slog.NewJSONHandler(e.stderr, options))
}

// asInAccessLog has messages tell the time as the lines of sessions do, which may stand beside them: UTC, to the
// microsecond. And as there, nobody outside decides how long a line is: what a server answered to a check or a name
// server to a question stands in messages, too.
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
