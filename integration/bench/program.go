package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// The programs that are compared, by name.
const (
	forebayName   = "forebay"
	haproxyName   = "haproxy"
	nginxName     = "nginx"
	referenceName = "io.Copy"
)

// peerNames are the programs that Forebay is measured against.
var peerNames = []string{haproxyName, nginxName}

// A program can be started as a proxy in front of backends.
type program struct {
	name    string
	path    string
	version string
	// command writes what configuration the program needs into s.dir and returns its command line.
	command func(p *program, s setup) ([]string, error)
	// streams is how the program is started for the bulk step, where one way would not do it justice everywhere; nil:
	// no differently.
	streams *program
}

// setup is what a program is configured with.
type setup struct {
	dir         string // of its own, for configuration and the like
	listen      string
	backends    []string
	threads     threads
	descriptors int       // limit on open files
	identity    *identity // to end the clients' TLS with; nil: their bytes pass as they are
}

// threads is how many threads, workers or loops a program gets. The zero value is each program's own default.
type threads int

func (t threads) String() string {
	if t == 0 {
		return "default"
	}
	return fmt.Sprint(int(t))
}

// findPrograms returns the programs of the given names, and an error that names all that are missing and how to come by
// them.
func findPrograms(names []string, forebay string) ([]*program, error) {
	var found []*program
	var missing []error
	for _, name := range names {
		p, err := findProgram(name, forebay)
		found, missing = append(found, p), append(missing, err)
	}
	return found, errors.Join(missing...)
}

func findProgram(name, forebay string) (*program, error) {
	switch name {
	case forebayName:
		return findForebay(forebay)
	case haproxyName:
		return findHAProxy()
	case nginxName:
		return findNginx()
	case referenceName:
		path, err := os.Executable()
		return &program{name: name, path: path, version: runtime.Version(), command: startReference}, err
	}
	return nil, fmt.Errorf("program %q: want %s, %s, %s or %s", name, forebayName, haproxyName, nginxName, referenceName)
}

func findForebay(path string) (*program, error) {
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("forebay: %w; build it with: make build", err)
	}
	return &program{name: forebayName, path: path, version: versionOf(path, "version"), command: startForebay}, nil
}

func findHAProxy() (*program, error) {
	path, err := lookPath("haproxy")
	if err != nil {
		return nil, fmt.Errorf("haproxy: %w; install it with: apt-get install haproxy", err)
	}
	version := versionOf(path, "-v") + openSSLOf(path, "-vv")
	p := &program{name: haproxyName, path: path, version: version, command: startHAProxy}
	p.streams = &program{name: haproxyName, path: path, version: version, command: startSplicingHAProxy}
	return p, nil
}

func findNginx() (*program, error) {
	const install = "install it with: apt-get install nginx libnginx-mod-stream"
	path, err := lookPath("nginx")
	if err != nil {
		return nil, fmt.Errorf("nginx: %w; %s", err, install)
	}
	if streamModule() == "" && !streamBuiltIn(path) {
		return nil, fmt.Errorf("nginx: its stream module is missing; %s", install)
	}
	version := versionOf(path, "-v") + openSSLOf(path, "-V")
	return &program{name: nginxName, path: path, version: version, command: startNginx}, nil
}

// lookPath is exec.LookPath that also looks where Debian keeps daemons, which is not in everybody's PATH.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}

// streamModule returns the path of nginx's stream module where Debian puts it, or "".
func streamModule() string {
	const path = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func streamBuiltIn(nginx string) bool {
	out, _ := exec.Command(nginx, "-V").CombinedOutput()
	return slices.Contains(strings.Fields(string(out)), "--with-stream")
}

// versionOf returns the first version number that a program prints when it is run with arg, or "unknown".
func versionOf(path, arg string) string {
	out, _ := exec.Command(path, arg).CombinedOutput()
	return findVersion(string(out))
}

// findVersion returns what looks like a version in the first line of text: 1.22.1, 2.6.12-1+deb12u4, v0.1.0-dev,
// (development), or the name of a commit.
func findVersion(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	version := regexp.MustCompile(`\(devel\w*\)|v?\d+\.\d+[\w.+~-]*|\b[0-9a-f]{7,40}\b(-dirty)?`).FindString(first)
	if version == "" {
		return "unknown"
	}
	return version
}

// openSSLOf returns " with OpenSSL " and the version that a program says to run with when it is run with arg, or "".
func openSSLOf(path, arg string) string {
	out, _ := exec.Command(path, arg).CombinedOutput()
	return findOpenSSL(string(out))
}

// findOpenSSL takes the last version in text: the programs tell first what they were built with.
func findOpenSSL(text string) string {
	versions := regexp.MustCompile(`OpenSSL \d[\w.]*`).FindAllString(text, -1)
	if len(versions) == 0 {
		return ""
	}
	return " with " + versions[len(versions)-1]
}

// startForebay leaves everything at its default, the access log included: JSON lines to stdout.
func startForebay(p *program, s setup) ([]string, error) {
	command := []string{p.path, "serve", "--listen", s.listen}
	if s.threads > 0 {
		command = append(command, "--loops", s.threads.String())
	}
	if s.identity != nil {
		command = append(command, "--tls-cert", s.identity.certFile, "--tls-key", s.identity.keyFile)
	}
	return append(command, s.backends...), nil
}

func startReference(p *program, s setup) ([]string, error) {
	var certFile, keyFile string
	if s.identity != nil {
		certFile, keyFile = s.identity.certFile, s.identity.keyFile
	}
	return append([]string{p.path, referenceCommand, s.listen, certFile, keyFile}, s.backends...), nil
}

func startHAProxy(p *program, s setup) ([]string, error) {
	return configureHAProxy(p, s, "splice-auto")
}

// startSplicingHAProxy makes HAProxy splice whatever a backend sends: left to itself, 2.6 copies these streams, at
// twice the cost, while splicing small answers costs it a third more.
func startSplicingHAProxy(p *program, s setup) ([]string, error) {
	return configureHAProxy(p, s, "splice-response")
}

func configureHAProxy(p *program, s setup, splice string) ([]string, error) {
	var b strings.Builder
	b.WriteString("global\n")
	if s.threads > 0 {
		fmt.Fprintf(&b, "    nbthread %d\n", s.threads)
	}
	fmt.Fprintf(&b, `
defaults
    mode tcp
    option %s
    timeout connect 5s
    timeout client 1h
    timeout server 1h

listen bench
    bind %s%s
`, splice, s.listen, haproxyTLS(s.identity))
	for i, addr := range s.backends {
		fmt.Fprintf(&b, "    server backend%d %s\n", i+1, addr)
	}
	path := filepath.Join(s.dir, "haproxy.cfg")
	return []string{p.path, "-db", "-f", path}, os.WriteFile(path, []byte(b.String()), 0o644)
}

// haproxyTLS returns what follows the address to end TLS there with id. HAProxy finds the key beside the certificate.
// Of the suites that a client offers it would take AES-256 first.
func haproxyTLS(id *identity) string {
	if id == nil {
		return ""
	}
	return fmt.Sprintf(" ssl crt %s ciphersuites %s", id.certFile, suiteName())
}

func startNginx(p *program, s setup) ([]string, error) {
	var b strings.Builder
	if module := streamModule(); module != "" {
		fmt.Fprintf(&b, "load_module %s;\n", module)
	}
	workers := s.threads.String()
	if s.threads == 0 {
		workers = "auto" // as Debian's nginx.conf has it; nginx itself would start one
	}
	fmt.Fprintf(&b, `daemon off;
pid %s;
error_log stderr crit;
worker_processes %s;
events {
    worker_connections %d;
}
stream {
    upstream bench {
`, filepath.Join(s.dir, "nginx.pid"), workers, s.descriptors)
	for _, addr := range s.backends {
		fmt.Fprintf(&b, "        server %s;\n", addr)
	}
	fmt.Fprintf(&b, `    }
    server {
        listen %s%s
        proxy_pass bench;
    }
}
`, s.listen, nginxTLS(s.identity))
	path := filepath.Join(s.dir, "nginx.conf")
	return []string{p.path, "-p", s.dir, "-e", "stderr", "-c", path}, os.WriteFile(path, []byte(b.String()), 0o644)
}

// nginxTLS returns what follows the address to end TLS there with id. nginx gives tickets by itself, but speaks TLS 1.3
// only when told.
func nginxTLS(id *identity) string {
	if id == nil {
		return ";"
	}
	return fmt.Sprintf(` ssl;
        ssl_certificate %s;
        ssl_certificate_key %s;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_conf_command Ciphersuites %s;`, id.certFile, id.keyFile, suiteName())
}
