package integration

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// The commands of README.md and docs/*.md are run as they stand: the blocks of a page one after the other, in one
// shell, in an empty directory, with forebay on the PATH. A line across the page, ---, ends the shell and begins
// another in the same directory. Where network namespaces may be made each page has its own, and pages run side by
// side. The word after a block's three backticks says what it is:
//
//	sh              is run to its end; an error ends the page
//	sh & 8080 8001  runs beside what follows, which waits until these ports listen (or this path is a socket), and is stopped when
//	                the shell ends
//	sh root         changes the machine: only its syntax is checked
//	text output     is printed by the block before: these lines, in this order, perhaps among others; … stands for anything
//
// Blocks with another word are no commands. A comment at the top of a page says what it needs, and is not shown to
// readers:
//
//	<!-- needs: redis-server psql -->  skip the page where one of these programs is missing
//	<!-- in: source -->                run it in a copy of the source tree
//	<!-- as: nobody -->                run it without root's rights, which PostgreSQL asks for
func TestDocumentedCommands(t *testing.T) {
	if os.Getenv(raceVar) != "" {
		t.Skip("the same commands as without the race detector")
	}
	for _, path := range documents(t) {
		t.Run(strings.TrimPrefix(path, "../"), func(t *testing.T) {
			p := readPage(t, path)
			p.require(t)
			network, err := l4test.NewNetwork(t)
			if err == nil {
				t.Parallel() // ports are another page's, too
			} else {
				t.Logf("in this machine's own network: %v", err)
				p.requirePorts(t)
			}
			p.play(t, network)
		})
	}
}

// require skips a page that needs a program that this machine does not have.
func (p *page) require(t *testing.T) {
	t.Helper()
	for _, tool := range p.needs {
		need(t, tool)
	}
}

// requirePorts skips a page that needs a port that this machine does not have to give.
func (p *page) requirePorts(t *testing.T) {
	t.Helper()
	for _, b := range p.blocks {
		places, _ := strings.CutPrefix(b.info, "sh & ")
		for _, place := range strings.Fields(places) {
			if port, err := strconv.Atoi(place); err == nil && !allFree(port, 1) {
				t.Skipf("port %d is in use here", port)
			}
		}
	}
}

// A play is one run of a page.
type play struct {
	*page
	network *l4test.Network // nil: this machine's own
	dir     string          // holds a file with the output of each block, and the working directory
}

func (p *page) play(t *testing.T, network *l4test.Network) {
	pl := &play{page: p, network: network, dir: t.TempDir()}
	pl.furnish(t)
	pl.checkRoot(t)
	for scene := range p.scenes() {
		if err := pl.run(t, scene); err != nil {
			t.Fatalf("%s:%d: %v; this was printed:\n%s", p.path, pl.last(), err, pl.outputs())
		}
	}
	pl.compare(t)
}

func (p *play) work() string { return filepath.Join(p.dir, "work") }

func (p *play) output(i int) string {
	b, _ := os.ReadFile(filepath.Join(p.dir, strconv.Itoa(i)))
	return string(b)
}

// furnish makes the working directory, and puts forebay where the shell finds it.
func (p *play) furnish(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(p.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	copyProgram(t, filepath.Join(p.dir, "bin", "forebay"))
	err := p.fillWork()
	if err == nil && p.nobody && os.Getuid() == 0 {
		err = p.giveAway()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// fillWork makes the working directory: empty, or a copy of the source tree without what was built and without its
// history.
func (p *play) fillWork() error {
	if err := os.Mkdir(p.work(), 0o755); err != nil || !p.source {
		return err
	}
	top, err := os.ReadDir("..")
	if err != nil {
		return err
	}
	for _, entry := range top {
		from, to := filepath.Join("..", entry.Name()), filepath.Join(p.work(), entry.Name())
		switch {
		case entry.IsDir() && (entry.Name() == "bin" || strings.HasPrefix(entry.Name(), ".")):
		case entry.IsDir():
			err = errors.Join(err, os.CopyFS(to, os.DirFS(from)))
		case entry.Type().IsRegular():
			text, readErr := os.ReadFile(from)
			err = errors.Join(err, readErr, os.WriteFile(to, text, 0o644))
		}
	}
	return err
}

// giveAway lets the user nobody into the page's directories.
func (p *play) giveAway() error {
	id, err := nobody()
	if err != nil {
		return err
	}
	err = os.Chmod(filepath.Dir(p.dir), 0o755)
	for _, dir := range []string{p.dir, p.work()} {
		err = errors.Join(err, os.Chown(dir, int(id.Uid), int(id.Gid)))
	}
	return err
}

func nobody() (*syscall.Credential, error) {
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err, gidErr)
}

// checkRoot checks the syntax of the blocks that are not run.
func (p *play) checkRoot(t *testing.T) {
	t.Helper()
	for _, b := range p.blocks {
		if b.info != "sh root" {
			continue
		}
		bash := exec.Command("bash", "-n")
		bash.Stdin = strings.NewReader(b.text)
		if out, err := bash.CombinedOutput(); err != nil {
			t.Errorf("%s:%d: %v: %s", p.path, b.line, err, out)
		}
	}
}

// prelude waits for a port that listens or a path that is a socket, without connecting to it. And it gives a busy
// machine twice the whole seconds that a reader is told to wait.
const prelude = `
set -euo pipefail
listening() {
	if [[ $1 == */* ]]; then [[ -S $1 ]]; return; fi
	grep -qs "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") [0-9A-F:]* 0A " /proc/net/tcp /proc/net/tcp6 # 0A: LISTEN
}
await() {
	local place tries
	for place; do
		for tries in {1..1200}; do listening "$place" && break; sleep 0.05; done
		listening "$place" || { echo "nothing listens on $place" >&2; exit 1; }
	done
}
sleep() { case $1 in *.*) command sleep "$1" ;; *) command sleep $((2 * $1)) ;; esac; }
cd "$WORK"
`

// script is one scene as a program for bash. Each block has its own file for what it prints.
func (p *play) script(scene int) string {
	var s strings.Builder
	s.WriteString(prelude)
	for i, b := range p.blocks {
		file := filepath.Join(p.dir, strconv.Itoa(i))
		places, beside := strings.CutPrefix(b.info, "sh & ")
		switch {
		case b.scene != scene:
		case b.info == "sh":
			s.WriteString("exec >" + file + " 2>&1\n" + b.text)
		case beside:
			s.WriteString("(\n" + b.text + ") >" + file + " 2>&1 &\nawait " + places + "\n")
		}
	}
	return s.String()
}

// pagePatience is how long a page may take.
const pagePatience = 3 * time.Minute

// run runs one scene, and stops what it left running.
func (p *play) run(t *testing.T, scene int) error {
	t.Helper()
	bash := exec.Command("bash", "-c", p.script(scene))
	bash.Env = append(cleanEnvironment(), "PATH="+filepath.Join(p.dir, "bin")+":"+os.Getenv("PATH"), "WORK="+p.work(), "PWD="+p.work())
	bash.Dir = p.work()
	bash.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.nobody && os.Getuid() == 0 {
		bash.SysProcAttr.Credential, _ = nobody() // giveAway has found that user
	}
	errs, err := os.Create(filepath.Join(p.dir, "errors"))
	if err != nil {
		t.Fatal(err)
	}
	defer errs.Close()
	bash.Stderr = errs
	living, gone := whileLiving(t)
	bash.ExtraFiles = []*os.File{living}
	if err := p.start(bash); err != nil {
		t.Fatal(err)
	}
	living.Close()
	late := time.AfterFunc(pagePatience, func() { syscall.Kill(-bash.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	err = bash.Wait()
	stopGroup(t, bash.Process.Pid, gone)
	return err
}

// start starts a command in the page's network.
func (p *play) start(cmd *exec.Cmd) error {
	if p.network == nil {
		return cmd.Start()
	}
	return p.network.Start(cmd)
}

// whileLiving returns a file for a process to inherit. gone is closed when nobody holds it any more, children included.
func whileLiving(t *testing.T) (living *os.File, gone <-chan struct{}) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.Close()
		r.Read(make([]byte, 1)) // nothing is ever written
	}()
	return w, done
}

// stopGroup ends the processes that a page left running, and waits for them. Servers and forebay may give what is under
// way 30 s, the one after the other.
func stopGroup(t *testing.T, group int, gone <-chan struct{}) {
	t.Helper()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		syscall.Kill(-group, sig) // an error says that they have ended by themselves
		select {
		case <-gone:
			return
		case <-time.After(3 * patience):
			t.Errorf("what the page started is still running %v after %v", 3*patience, sig)
		}
	}
}

// last is the line of the block that was begun last.
func (p *play) last() int {
	line := 1
	for i, b := range p.blocks {
		if _, err := os.Stat(filepath.Join(p.dir, strconv.Itoa(i))); err == nil {
			line = b.line
		}
	}
	return line
}

func (p *play) outputs() string {
	var all strings.Builder
	for i, b := range p.blocks {
		if out := p.output(i); out != "" {
			all.WriteString("block at line " + strconv.Itoa(b.line) + ":\n" + out)
		}
	}
	errs, _ := os.ReadFile(filepath.Join(p.dir, "errors"))
	return all.String() + string(errs)
}

// compare finds the outputs that a page shows in what its blocks have printed.
func (p *play) compare(t *testing.T) {
	t.Helper()
	for i, b := range p.blocks {
		if b.info != "text output" {
			continue
		}
		if i == 0 || !strings.HasPrefix(p.blocks[i-1].info, "sh") {
			t.Errorf("%s:%d: no commands stand before this output", p.path, b.line)
			continue
		}
		if missing := missingLine(b.text, p.output(i-1)); missing != "" {
			t.Errorf("%s:%d: %q is not in the output, or not in its place:\n%s", p.path, b.line, missing, p.output(i-1))
		}
	}
}

// missingLine returns the first line of shown that printed does not have after the one before; "" if it has all. How
// wide a gap is does not matter.
func missingLine(shown, printed string) string {
	rest := strings.Split(printed, "\n")
	for line := range strings.Lines(shown) {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(narrow(line)), "…", ".*")
		want := regexp.MustCompile("^" + pattern + "$")
		for len(rest) > 0 && !want.MatchString(narrow(rest[0])) {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return line
		}
		rest = rest[1:]
	}
	return ""
}

// narrow makes every gap in line one space.
func narrow(line string) string { return strings.Join(strings.Fields(line), " ") }
