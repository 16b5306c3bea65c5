package main

const pageHead = `# Benchmarks

Forebay beside HAProxy, nginx and the textbook Go proxy, measured in one run by ` + "`make bench`" + `, which writes this page. Cells are the
median of the rounds and, in brackets, the least and the most. The ratio is Forebay's number divided by that of the peer with the
better median, round by round; peers are HAProxy and nginx, and for bulk of plain TCP HAProxy, made to splice. What the machine does besides
moves single numbers more than ratios.

`

const pageHow = `## How it is measured

Client, proxy and backends are processes of their own on one machine, and talk over 127.0.0.1. All programs stand before the same four
backends and are asked by the same load. They take turns at each step of each round, and every round begins with another one.

- **CPU** is user and system time of the proxy's processes, all threads, from their CPU clocks (clock_getcpuclockid(3)), from when the
  load is connected and warm until the proxy has come to rest after it.
- **Exchange**: 64 bytes there, 512 back, on 64 kept connections, each asking again as soon as it is answered.
- **Connection**: connect, one exchange, close; 64 at once. Its latency begins with the connect.
- **Bulk**: four connections fetch blocks of 32 MiB as fast as they come.
- **Latency** of an exchange counts from when it was to start to when the answer has arrived in the client's kernel (socket(7), SO_TIMESTAMPNS). Here
  client and proxy share the processors, and the client gets round to reading an answer later: at half load that wait is most of the time.
  The rows that say so have it in them.
- **Half load**: exchanges, or connections, start at a fixed rate whatever the answers do: half of what the slowest of the programs can do,
  the same for all. This is the p99 that is judged.
- **Beside bulk**: 300 small exchanges a second on 64 connections while four streams run, asked by another process: each read at an even pace, at
  half load as above, and then without a limit, where the programs do not do the same work. Both are judged. Streams and small answers come from
  processes of their own.
- **Idle**: in a fresh process, 2,000 sessions that have had one exchange; growth of resident memory (smaps_rollup) and of open
  descriptors, divided by the sessions. Kernel memory is not in it. Then 9,000 sessions: CPU while nothing
  happens, from six seconds on, and how many still answer.
- **Limit**: in a fresh process under ` + "`ulimit -n 2048`" + `, how many sessions of 2,048 asked for are answered, and again once all are held.
  The limit is per process: nginx's workers have one each.
- **TLS**: the programs end the clients' TLS, with the same key and certificate, and speak plain TCP with the backends. A full handshake and
  a resumed one are a connection with one exchange each, 64 at once, ended with close_notify; the load computes its half of them on the same
  machine. Idle: in a fresh process, 3,000 sessions, first as the handshake leaves them, then after an exchange on each.

Configurations: Forebay has its defaults, and writes its access log as JSON to /dev/null. HAProxy has ` + "`mode tcp`, `option splice-auto`" + `
and timeouts, and for the bulk rows ` + "`option splice-response`" + `: left to itself, 2.6 copies these streams, at twice the cost, while
splicing small answers too costs it a third more; nginx a ` + "`stream`" + ` server and ` + "`worker_connections`" + ` as high as the descriptor limit; neither logs. Equal threads are
` + "`--loops`, `nbthread` and `worker_processes`" + `; the defaults are Forebay's ` + "`auto`" + `, HAProxy's one thread per CPU, and
` + "`worker_processes auto`" + `, which Debian's nginx.conf has. io.Copy is two goroutines per session with io.Copy in each
(integration/bench/reference.go), in both tables as it is. For TLS, HAProxy's ` + "`bind` and nginx's `listen` have `ssl`" + `, the
certificate and the one suite, which they would not choose by themselves; io.Copy has crypto/tls. All of them give tickets.

Allocations per exchange and per pick are what ` + "`go test -bench`" + ` reports in l4 and pool.

`
