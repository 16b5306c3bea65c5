package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A Command runs a program: exit status 0 means up. /bin/sh -c runs it, with this process's environment and
//
//	FOREBAY_CHECK_ADDRESS  192.0.2.1:80, [2001:db8::1]:80, or a path
//	FOREBAY_CHECK_HOST     192.0.2.1, without brackets; empty for a UNIX socket
//	FOREBAY_CHECK_PORT     80; empty for a UNIX socket
//	FOREBAY_CHECK_NAME     the host as the operator wrote it
//
// It runs in a process group of its own. The whole group is killed (SIGKILL) when the time is up, and also when the
// program ends. Its standard input is empty.
type Command struct {
	Line     string
	Children *Children // collects the processes that it leaves behind; nil: they are not collected
}

// outputWithin is how long the output may stay open after the program has ended.
const outputWithin = 100 * time.Millisecond

// Probe runs the program to its end.
func (p Command) Probe(ctx context.Context, t Target) Result {
	var said output
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", p.Line)
	cmd.Env = append(os.Environ(), environment(t)...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outputWithin
	start := time.Now()
	err := p.Children.run(cmd)
	took := time.Since(start)
	if cmd.Process != nil {
		// the kernel does not reuse a group's number while a process is left in it
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return Result{Err: outcome(ctx, err, &said), Took: took, Transcript: said.transcript()}
}

// environment tells the program where the backend is.
func environment(t Target) []string {
	var host, port string
	if t.Network != "unix" {
		host, port, _ = net.SplitHostPort(t.Address)
	}
	return []string{
		"FOREBAY_CHECK_ADDRESS=" + t.Address, "FOREBAY_CHECK_HOST=" + host, "FOREBAY_CHECK_PORT=" + port,
		"FOREBAY_CHECK_NAME=" + t.Name,
	}
}

// outcome says how the program ended.
func outcome(ctx context.Context, err error, said *output) error {
	switch _, ended := errors.AsType[*exec.ExitError](err); {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it ended well and left a process behind
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("wait for the command: %w", plain(ctx, err))
	case ended:
		return fmt.Errorf("the command ended with %w, want exit status 0%s", err, said.lastLine())
	case errors.Is(err, syscall.EAGAIN):
		return errNoProcess
	}
	return fmt.Errorf("start the command: %w", err)
}

// An output keeps the first bytes of what a program writes.
type output struct {
	kept []byte
	size int
}

// Write takes all of b. It never fails, so that the program never sees a broken pipe.
func (o *output) Write(b []byte) (int, error) {
	o.size += len(b)
	o.kept = append(o.kept, b[:min(len(b), maxTranscript/2-len(o.kept))]...)
	return len(b), nil
}

func (o *output) transcript() string {
	if o.size == 0 {
		return "wrote nothing"
	}
	return (&transcript{entries: []entry{{verb: "wrote", kept: o.kept, size: o.size}}}).String()
}

// lastLine returns the last line of the output, as an error quotes it; "" where there is no output.
func (o *output) lastLine() string {
	text := strings.TrimSpace(string(o.kept))
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %q", clip(text[strings.LastIndexByte(text, '\n')+1:]))
}
