package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// verbLimit bounds each verb of a load process; a hold of 9,000 sessions by a slow program takes longest.
const verbLimit = 90 * time.Second

// An agent is a load process as the benchmark sees it. It does one job at a time.
type agent struct {
	process *process
	jobs    *json.Encoder
	stdin   io.Closer
	results *json.Decoder
}

// startAgent starts a load process on at most processors processors (0: all). The caller stops it.
func startAgent(processors int) (*agent, error) {
	cmd, err := self(loadCommand)
	if err != nil {
		return nil, err
	}
	if processors > 0 {
		cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", processors))
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p, err := startProcess("the load", cmd)
	if err != nil {
		return nil, err
	}
	return &agent{process: p, jobs: json.NewEncoder(stdin), stdin: stdin, results: json.NewDecoder(stdout)}, nil
}

// do has the load process do j and returns what it answers.
func (a *agent) do(ctx context.Context, j job) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, verbLimit)
	defer cancel()
	// The process is killed when it takes too long, which ends the exchange of JSON below.
	defer context.AfterFunc(ctx, func() { a.process.cmd.Process.Kill() })()
	var r result
	err := a.jobs.Encode(j)
	if err == nil {
		err = a.results.Decode(&r)
	}
	switch {
	case ctx.Err() != nil:
		return r, fmt.Errorf("the load's %s: %w", j.Verb, context.Cause(ctx))
	case err != nil:
		return r, fmt.Errorf("the load's %s: %w: %s", j.Verb, err, a.process.stderr)
	}
	return r, nil
}

// A failure spoils one measurement; the others go on.
type failure struct{ text string }

func (f *failure) Error() string { return f.text }

// must is do for a job whose failed exchanges make a measurement worthless. They come back as a *failure.
func (a *agent) must(ctx context.Context, j job) (result, error) {
	r, err := a.do(ctx, j)
	if err == nil && r.Failed > 0 {
		err = &failure{fmt.Sprintf("%s: %d failed, %d done: %s", j.Verb, r.Failed, r.Done, r.LastError)}
	}
	return r, err
}

func (a *agent) stop() {
	a.stdin.Close()
	a.process.stop()
}
