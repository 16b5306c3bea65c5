package accesslog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"forebay/l4"
	"forebay/l4/l4test"
)

// A sink keeps what was written, one Write an element.
type sink struct {
	mu     sync.Mutex
	writes []string
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, string(b))
	return len(b), nil
}

// all returns the writes so far.
func (s *sink) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

func (s *sink) text() string { return strings.Join(s.all(), "") }

func TestOneWriteForABatch(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		var out sink
		l := New(&out, Options{Format: Text})
		time.Sleep(time.Minute) // the idle Log sleeps, too
		for range 10 {
			l.Finished(served())
		}
		time.Sleep(batchDelay - 1)
		synctest.Wait()
		if len(out.all()) != 0 {
			t.Fatalf("written before the delay: %q", out.all())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if len(out.all()) != 1 || strings.Count(out.text(), "\n") != 10 {
			t.Errorf("got %d writes with %d lines, want 1 with 10", len(out.all()), strings.Count(out.text(), "\n"))
		}
		l.Close()
	})
}

func TestFullBatchDoesNotWait(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		var out sink
		l := New(&out, Options{Format: JSON})
		synctest.Wait()
		for size := 0; size < batchSize; size += len(appendRecord(nil, JSON, served())) {
			l.Finished(served())
		}
		synctest.Wait()
		if len(out.text()) < batchSize {
			t.Errorf("%d bytes were written without delay, want %d or more", len(out.text()), batchSize)
		}
		l.Close()
	})
}

func TestCloseWritesWhatWaits(t *testing.T) {
	var out sink
	l := New(&out, Options{Format: Text})
	l.Finished(served())
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	l.Finished(served())
	if want := string(appendRecord(nil, Text, served())); out.text() != want || l.Dropped() != 1 {
		t.Errorf("got %q and %d dropped, want %q and 1", out.text(), l.Dropped(), want)
	}
}

func TestWhichSessionsAreLogged(t *testing.T) {
	scan := func(cause l4.Cause, bytes uint64) *l4.Record {
		return &l4.Record{Cause: cause, FromBackend: bytes, Backend: "127.0.0.1:8000"}
	}
	alone := func(cause l4.Cause) *l4.Record { return &l4.Record{Cause: cause} }
	for _, c := range []struct {
		name   string
		o      Options
		record *l4.Record
		want   int
	}{
		{"off", Options{Format: Off}, served(), 0},
		{"scan", Options{Format: Text}, scan(l4.ClientClosed, 0), 0},
		{"reset scan", Options{Format: Text}, scan(l4.ClientReset, 0), 0},
		{"client left", Options{Format: Text}, alone(l4.ClientLeft), 0},
		{"scan on request", Options{Format: Text, LogEmpty: true}, scan(l4.ClientClosed, 0), 1},
		{"greeted", Options{Format: Text}, scan(l4.ClientClosed, 1), 1},
		{"backend closed at once", Options{Format: Text}, scan(l4.BackendClosed, 0), 0},
		{"idle", Options{Format: Text}, scan(l4.Idle, 0), 0},
		{"no backend answered", Options{Format: Text}, alone(l4.ConnectFailed), 1},
		{"refused by TLS", Options{Format: Text}, scan(l4.BackendTLSFault, 0), 1},
		{"turned away", Options{Format: Text}, alone(l4.Denied), 1},
	} {
		var out sink
		l := New(&out, c.o)
		l.Finished(c.record)
		l.Close()
		if got := strings.Count(out.text(), "\n"); got != c.want || l.Dropped() != 0 {
			t.Errorf("%s: got %d lines and %d dropped, want %d and 0", c.name, got, l.Dropped(), c.want)
		}
	}
}

func TestStuckReaderCostsLinesNotTime(t *testing.T) {
	const count = 20_000
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	writer.Fd() // blocking from here, as stdout is
	l := New(writer, Options{Format: JSON, Buffer: 256 << 10})
	for range count {
		l.Finished(served())
	}
	if l.Dropped() == 0 || l.Dropped() == count {
		t.Fatalf("%d of %d dropped; want some", l.Dropped(), count)
	}

	var sessions, lost int
	lines := bufio.NewScanner(reader)
	for sessions+lost < count && lines.Scan() {
		_, number, isLost := strings.Cut(lines.Text(), `"lost":`)
		if !isLost {
			sessions++
			continue
		}
		var more int
		fmt.Sscan(number, &more)
		lost += more
	}
	if sessions+lost != count || uint64(lost) != l.Dropped() {
		t.Errorf("read %d sessions and %d lost, %d dropped; want %d in all", sessions, lost, l.Dropped(), count)
	}
	l.Finished(served())
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if !lines.Scan() || strings.Contains(lines.Text(), "lost") {
		t.Errorf("after the recovery: got %q, want a session", lines.Text())
	}
}

func TestCloseGivesUpOnAStuckReader(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		l := New(writer, Options{Format: Text})
		l.Finished(served())
		start := time.Now()
		if err := l.Close(); err == nil || time.Since(start) != closeTimeout {
			t.Errorf("got %v after %v, want an error after %v", err, time.Since(start), closeTimeout)
		}
		reader.Close()
	})
}

// What a reader that has stopped leaves behind is counted with what was dropped for want of room: nothing is missing
// from the total.
func TestGivingUpCountsWhatWaits(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		const count, read = 2000, 100_000
		reader, writer := io.Pipe()
		l := New(writer, Options{Format: JSON, Buffer: 256 << 10})
		for range count / 2 { // more than there is room for
			l.Finished(served())
		}
		var got bytes.Buffer
		io.CopyN(&got, reader, read)
		for range count / 2 {
			l.Finished(served())
		}
		dropped := l.Dropped()
		if err := l.Close(); err == nil || dropped == 0 {
			t.Errorf("%d dropped, and Close: %v; want some, and an error", dropped, err)
		}
		lines := func() uint64 { return uint64(bytes.Count(got.Bytes(), []byte{'\n'})) }
		stuck := uint64(batchSize / len(appendRecord(nil, JSON, served()))) // the reader may have some of these
		if sum := lines() + l.Dropped(); sum < count || sum > count+stuck {
			t.Errorf("%d lines were read and %d are said to be lost; want %d in all, or up to %d more", lines(), l.Dropped(), count, stuck)
		}
		go func() {
			<-l.lines.done
			writer.Close()
		}()
		io.Copy(&got, reader) // it goes on after all
		if l.Dropped() != dropped || lines()-uint64(bytes.Count(got.Bytes(), []byte(`"lost":`)))+dropped != count {
			t.Errorf("then %d lines were read and %d are said to be lost; want the %d of before", lines(), l.Dropped(), dropped)
		}
	})
}

// A faulty writer takes room bytes, then fails until room is raised.
type faulty struct {
	mu sync.Mutex
	bytes.Buffer
	room int
}

var errFull = errors.New("no space left on device")

func (f *faulty) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(b), f.room)
	f.room -= n
	f.Buffer.Write(b[:n])
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

func TestFailedWritesAreCountedAndReportedOnce(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		line := string(appendRecord(nil, Text, served()))
		out := &faulty{room: len(line) + 5}
		var faults []error
		l := New(out, Options{Format: Text, Failed: func(err error) { faults = append(faults, err) }})
		for range 3 { // the first is written, the second torn, the third lost
			l.Finished(served())
		}
		time.Sleep(batchDelay)
		synctest.Wait()
		l.Finished(served()) // lost as well, in the next try
		time.Sleep(2 * retryDelay)
		synctest.Wait()
		if len(faults) != 1 || !errors.Is(faults[0], errFull) || l.Dropped() != 3 {
			t.Errorf("got faults %v and %d dropped, want one and 3", faults, l.Dropped())
		}
		out.mu.Lock()
		out.room = 1 << 20
		out.mu.Unlock()
		time.Sleep(retryDelay)
		synctest.Wait()
		l.Finished(served())
		l.Close()
		got := out.String()
		if lost := "lost=3\n"; !strings.HasPrefix(got, line+line[:5]+"\n") || !strings.HasSuffix(got, lost+line) {
			t.Errorf("got %q; want a line, a torn one, %q and a line", got, lost)
		}
	})
}

func TestFinishedAllocatesNothing(t *testing.T) {
	for _, f := range []Format{JSON, Text} {
		for _, r := range []*l4.Record{served(), secured()} {
			l := New(io.Discard, Options{Format: f})
			for range 2000 { // the buffers grow
				l.Finished(r)
			}
			if got := testing.AllocsPerRun(2000, func() { l.Finished(r) }); got != 0 {
				t.Errorf("%s: %v allocations a line, want 0", f, got)
			}
			l.Close()
		}
	}
}

func TestFileReopens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(f, "one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(f, "two")
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(f, "three")
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{path + ".1": "one\ntwo\n", path: "three\n"} {
		if got, err := os.ReadFile(name); string(got) != want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestFileThatCannotBeReopenedStaysOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(filepath.Join(dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("got %v, want ENOENT", err)
	}
	if _, err := fmt.Fprintln(f, "on"); err != nil {
		t.Errorf("the old file: %v", err)
	}
	f.Close()
}

func TestFileReopensWhileWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		for range 20_000 {
			if _, err := f.Write([]byte("line\n")); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for open := true; open; {
		select {
		case <-written:
			open = false
		default:
			if err := f.Reopen(); err != nil {
				t.Error(err)
			}
		}
	}
	f.Close()
	if got, err := os.ReadFile(path); len(got) != 20_000*5 {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, 20_000*5)
	}
}

func BenchmarkFinished(b *testing.B) {
	for _, f := range []Format{JSON, Text} {
		b.Run(f.String(), func(b *testing.B) {
			b.ReportAllocs()
			l := New(io.Discard, Options{Format: f})
			r := served()
			for b.Loop() {
				l.Finished(r)
			}
			l.Close()
			b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
		})
	}
}

// A named pipe is no reason to wait: not for who reads it, nor, while that does not, with the end.
func TestFileMayBeAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFile(path); err == nil || !strings.Contains(err.Error(), "nobody reads this pipe") {
		t.Fatalf("without a reader: got %v", err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 8)
	if n, err := reader.Read(got); err != nil || string(got[:n]) != "hello" {
		t.Errorf("read %q (%v)", got[:n], err)
	}
	full := make(chan error, 1)
	go func() {
		for {
			if _, err := f.Write(make([]byte, 64<<10)); err != nil {
				full <- err
				return
			}
		}
	}()
	f.Close()
	if err := <-full; !errors.Is(err, os.ErrClosed) {
		t.Errorf("a write into a full pipe ended with %v, want that it was closed", err)
	}
}
