package health

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
)

// Children are the processes that Commands start, and what those leave behind. When a process ends whose parent has
// ended before, PID 1 is to collect it (wait(2)), or a nearer ancestor that has asked for that
// (PR_SET_CHILD_SUBREAPER). In a container that is this process, and what nobody collects counts against the limit of
// processes for ever.
//
// Make it with NewChildren, and let Collect run. A Command without Children leaves that to others.
type Children struct {
	mu sync.Mutex // held while a program starts as well: nothing is collected until it is known to be a Command's own
	// running are those that a Command waits for. They are its own to collect: it would not know how they ended.
	running map[int]bool
}

// NewChildren returns Children of which there are none.
func NewChildren() *Children { return &Children{running: make(map[int]bool)} }

// Collect collects what has ended and nobody waits for, until ctx is done. Where another process inherits it, Collect
// returns at once.
func (c *Children) Collect(ctx context.Context) {
	if !inheritsOrphans() {
		return
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		c.mu.Lock()
		c.collectLocked()
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-ended:
		}
	}
}

// collectLocked collects those that have ended, up to one that a Command waits for: when that one is collected, it goes
// on.
func (c *Children) collectLocked() {
	for {
		pid := endedChild()
		if pid == 0 || c.running[pid] {
			return
		}
		syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
	}
}

// run runs cmd to its end, as cmd.Run does.
func (c *Children) run(cmd *exec.Cmd) error {
	if c == nil {
		return cmd.Run()
	}
	if err := c.start(cmd); err != nil {
		return err
	}
	defer c.forget(cmd.Process.Pid)
	return cmd.Wait()
}

func (c *Children) start(cmd *exec.Cmd) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := cmd.Start()
	if err == nil {
		c.running[cmd.Process.Pid] = true
	}
	return err
}

// forget notes that pid was collected.
func (c *Children) forget(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, pid)
	if inheritsOrphans() {
		c.collectLocked()
	}
}
