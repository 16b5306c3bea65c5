package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopLimit is how long a process has to end after it was asked to.
const stopLimit = time.Second

// A process is one started program, with the children that it started.
type process struct {
	name   string
	cmd    *exec.Cmd
	stderr *tail
	done   chan struct{} // closed when it has ended
	err    error         // how it ended; read after done
}

// startProcess starts cmd in a process group of its own, so that a Ctrl-C meant for the benchmark does not reach it.
// The caller stops it; should the benchmark be killed, the kernel does (PR_SET_PDEATHSIG).
func startProcess(name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, stderr: &tail{}, done: make(chan struct{})}
	cmd.Stderr = p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.WaitDelay = stopLimit // for a child that holds stderr open
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// pids returns the numbers of the process and its descendants.
func (p *process) pids() []int { return processTree(p.cmd.Process.Pid) }

// ended returns an error with the end of stderr if the process has ended, which it does only by fault.
func (p *process) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s has ended (%v): %s", p.name, p.err, p.stderr)
	default:
		return nil
	}
}

// stop asks the process to end and kills what is left of it, children included, after stopLimit.
func (p *process) stop() {
	if p.ended() != nil {
		return
	}
	pids := p.pids()
	p.cmd.Process.Signal(syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	select {
	case <-p.done:
	case <-ctx.Done():
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		<-p.done
	}
}

// limitDescriptors makes command run with at most n file descriptors.
func limitDescriptors(n int, command []string) []string {
	script := fmt.Sprintf(`ulimit -n %d && exec "$@"`, n)
	return append([]string{"/bin/sh", "-c", script, "sh"}, command...)
}

// self returns a command that runs this program's subcommand with args.
func self(subcommand string, args ...string) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return exec.Command(path, append([]string{subcommand}, args...)...), nil
}

// tailSize is how much of a program's stderr is kept to explain its end.
const tailSize = 2 << 10

// A tail is a writer that keeps the end of what was written.
type tail struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.text) == 0 {
		return "it wrote nothing on stderr"
	}
	return strings.TrimSpace(string(bytes.ToValidUTF8(t.text, []byte("?"))))
}
