package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"forebay/pool"
)

// Four thousand backends go down and come back at once, and every change of each is in the file that standard error is:
// one that is written to slowly enough for all room to fill.
func TestAFileIsWaitedFor(t *testing.T) {
	const backends, changes = 4000, 2
	reader, writer := io.Pipe() // takes one write at a time, when it is read
	e := testEnv(nil, nil)
	e.stderr, e.stderrIs = writer, toRegularFile
	said := newMessages(e)
	told := newChronicle(e.saying(said).logger(), pool.TryDown, said.patience)
	p := poolOf(t, backends)
	told.follow(p)
	ctx, cancel := context.WithCancel(t.Context())
	going := make(chan struct{})
	go func() {
		defer close(going)
		told.write(ctx)
	}()
	for _, state := range []pool.State{pool.Down, pool.Up} {
		for _, b := range p.Backends() {
			b.Judge(state, pool.Evidence{Witness: pool.Check, Reason: strings.Repeat("why ", 350)})
		}
	}
	seen := map[string]int{}
	lines := bufio.NewScanner(reader)
	for n := 0; n < backends*changes && lines.Scan(); {
		var m struct{ Msg, Backend string }
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		if strings.HasPrefix(m.Msg, "a backend is") {
			seen[m.Backend]++
			n++
		} else if m.Msg != "no backend is up" {
			t.Fatalf("got the message %s", lines.Bytes())
		}
	}
	if len(seen) != backends {
		t.Errorf("changes of %d backends were told, want of %d", len(seen), backends)
	}
	for name, n := range seen {
		if n != changes {
			t.Errorf("%s: %d changes were told, want %d", name, n, changes)
		}
	}
	cancel()
	<-going
	go io.Copy(io.Discard, reader)
	said.close()
	writer.Close()
}

func poolOf(t testing.TB, n int) *pool.Pool {
	t.Helper()
	var all []pool.Config
	for i := range n {
		at := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(i+1))
		all = append(all, pool.Config{Name: at.String(), Addrs: []pool.Address{pool.TCPAddress(at)}})
	}
	p, err := pool.New(pool.Options{}, all)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What a reader that takes nothing has cost is said once, and is the whole number.
func TestLostMessagesAreCountedOnce(t *testing.T) {
	reader, writer := io.Pipe()
	e := testEnv(nil, nil)
	e.stderr, e.stderrIs = writer, toReader
	said := newMessages(e)
	logger := e.saying(said).logger()
	const messages = 10_000
	for i := range messages {
		said.patience(t.Context()) // which does not wait for a reader
		logger.Info("hello", "n", i, "text", strings.Repeat("x", 1000))
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		said.close()
		writer.Close()
	}()
	told, lost := 0, 0.0
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		if bytes.Contains(lines.Bytes(), []byte(`"msg":"hello"`)) { // nearly all; taking them apart would take too long
			told++
			continue
		}
		var m map[string]any
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		n, _ := m["messages"].(float64)
		lost += n
	}
	if lost == 0 || told+int(lost) != messages {
		t.Errorf("%d messages were told and %v said to be lost, want %d together", told, lost, messages)
	}
	<-closed
}

// What others send is told without what a terminal would obey, and not at any length.
func TestMessagesAreSafeToLookAt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stderr")
	for kind, want := range map[output]string{
		toReader:   `"error":"\u001b[2J\u009b31m\u202eaé`,
		toTerminal: `error="\x1b[2J\u009b31m\u202eaé`,
	} {
		to, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		e := testEnv(nil, nil)
		e.stderr, e.stderrIs = to, kind
		said := newMessages(e)
		said.patience(t.Context())
		e.saying(said).logger().Warn("checked", "error", fmt.Errorf("\x1b[2J\u009b31m\u202ea%s", strings.Repeat("é", 1<<20)))
		said.close()
		to.Close()
		got, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(got, []byte(want)) || len(got) > 2*mostSaid {
			t.Errorf("got %d bytes, %v: %.200s; want %s in it", len(got), err, got, want)
		}
	}
}
