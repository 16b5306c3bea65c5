package health

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
)

// Children are the processes that Commands start, and those that they leave behind. A process whose parent has ended
// must be collected (wait(2)) by PID 1, or by a nearer ancestor that has asked for that (PR_SET_CHILD_SUBREAPER). In a
// container that is this process. A process that nobody collects counts against the limit of processes for ever.
//
// Make it with NewChildren, and run Collect. A Command without Children does not collect.
type Children struct {
	mu sync.Mutex // also held while a program starts, so that it is in running before anything is collected
	// running holds the processes that a Command waits for. Only that Command may collect them, or it could not learn
	// how they ended.
	running map[int]bool
}

// NewChildren returns Children without a process.
func NewChildren() *Children { return &Children{running: make(map[int]bool)} }

// Collect collects ended processes that nobody waits for, until ctx is done. Where another process inherits them,
// Collect returns at once.
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

// collectLocked collects ended processes. It stops at one that a Command waits for, and is called again when that one
// was collected.
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
