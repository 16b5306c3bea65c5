package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strings"
	"time"

	"forebay/l4/handoff"
)

// demoListen is the demo's default listen address. Other machines can't reach it.
const demoListen = "127.0.0.1:8080"

//go:embed demo.html
var demoPage string

// demo runs four sample backends and balances over them.
func demo(e *env, c *commandLine, _ []string) error {
	if c.given("backend") {
		c.refuseOne("backend", "demo brings its own backends; to balance over others leave out demo")
		return c.faults.err()
	}
	if !c.given("listen") {
		c.config.Listen = []handoff.Spec{mustListen(demoListen)}
	}
	samples, err := startSamples()
	defer stopSamples(samples)
	if err != nil {
		c.faults.add("", err)
		c.named("backend").rejected = true
	}
	for _, s := range samples {
		c.named("backend").enter(s.at, fromDefault)
	}
	return balance(e, c, func(p *process) { fmt.Fprint(p.said, p.invitation()) })
}

// curlSocket returns the option with which curl(1) connects to a UNIX socket.
func curlSocket(path string) string {
	if name, abstract := strings.CutPrefix(path, "@"); abstract {
		return "--abstract-unix-socket " + quote(name)
	}
	return "--unix-socket " + quote(path)
}

// invitation returns the text that says what to try.
func (p *process) invitation() string {
	address := p.listeners[0].Address
	at := address.String()
	if name := p.addresses()[0]; strings.HasPrefix(name, ":") {
		at = "localhost" + name
	}
	scheme, curl := "http", "curl -s"
	if p.terminates(p.routes[0].route) {
		scheme, curl = "https", "curl -sk"
	}
	look := fmt.Sprintf("  open %s://%s/ in a browser and reload\n", scheme, at)
	if address.IsUNIX() {
		at, look = "localhost", "" // a browser can't open a UNIX socket
		curl += " " + curlSocket(address.Path())
	}
	return fmt.Sprintf(`
Four sample backends answer on 127.0.0.1:8000-8003. Try:
%s  for i in 1 2 3 4 5 6 7 8; do %s %s://%s/; done
`, look, curl, scheme, at)
}

// A sample is a small HTTP server for the demo.
type sample struct {
	at     string
	server *http.Server
	done   chan struct{} // closed when it has stopped serving
}

// startSamples starts a sample on each of the ports 8000 to 8003. The error names every port that was taken. The
// samples that run are returned in any case.
func startSamples() ([]*sample, error) {
	var all []*sample
	var refused []error
	for i, colour := range []string{"#2570cc", "#17805a", "#b85014", "#8a4fc0"} {
		s, err := startSample(fmt.Sprintf("127.0.0.1:%d", 8000+i), colour)
		if err != nil {
			refused = append(refused, fmt.Errorf("sample backend: %w", err))
			continue
		}
		all = append(all, s)
	}
	return all, errors.Join(refused...)
}

func startSample(at, colour string) (*sample, error) {
	l, err := handoff.Listen(mustListen(at), handoff.Options{})
	if err != nil {
		return nil, err
	}
	defer l.File.Close()
	accepting, err := net.FileListener(l.File)
	if err != nil {
		return nil, err
	}
	s := &sample{at: at, done: make(chan struct{})}
	s.server = &http.Server{Handler: sampleHandler(at, colour), ReadHeaderTimeout: 10 * time.Second}
	// With keep-alive a browser would keep its connection, and so its backend: a reload would show nothing new.
	s.server.SetKeepAlivesEnabled(false)
	go func() {
		defer close(s.done)
		s.server.Serve(accepting)
	}()
	return s, nil
}

// sampleHandler answers with its own address: as a page for browsers, as a line of text for others.
func sampleHandler(at, colour string) http.Handler {
	page := template.Must(template.New("demo").Parse(demoPage))
	_, port, _ := net.SplitHostPort(at)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			fmt.Fprintf(w, "backend %s\n", at)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		page.Execute(w, map[string]string{"At": at, "Port": port, "Colour": colour})
	})
}

func stopSamples(all []*sample) {
	for _, s := range all {
		s.server.Shutdown(context.Background())
		<-s.done
	}
}
